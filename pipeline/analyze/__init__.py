"""The two findings that the method rests on, measured on a captioned archive: `maccap analyze`.

run.py          the story: plan, check, compare, fold, write
captions.py     the captions that come with an image
stages.py       the stages of an analysis, for the same two engines as those of captioning
compare.py      CLIP on both sides of a pair: cosines and differences
statistics.py   what a chunk's pairs add up to: closeness.py, moments.py, pair_sample.py
partials.py     the sink: the statistics of each chunk, and their sum
findings.py     the numbers
verdicts.py     what they say, by fixed rules
plots.py, page.py    to look at

Importing it imports neither torch, Ray nor matplotlib.
"""

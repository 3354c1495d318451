"""Text-only training as a job: from captions to a model bundle, resumed where it stopped.

config.py         the settings of a training run
towers.py         the two frozen models, and what tells them from others
run_folder.py     OUTPUT: what it was begun with, and what of it is there
feature_cache.py  CLIP's text features of the captions, encoded once and read from files
encode.py         fills the cache: in this process, or by Ray Data
work.py           what every worker needs to begin, and the parts it loads
loop.py           the steps, with evaluation and checkpoints between them
checkpoint.py     what a resume goes on from
history.py        the figures of every step, and of every evaluation
flow.py           the loop in Ray Train's workers
chart.py, events.py, progress.py    what people look at
run.py            all of it together
"""

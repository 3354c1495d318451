"""The paper's experiments, from the official files to a table beside published scores: `maccap experiment`.

registry.py      the experiments and the authors' settings: what trains, what is captioned, how it is scored
data_files.py    the official files: their names below --data, and where each is from
image_names.py   which images a benchmark has, as its own file says
checklist.py     what is there and what is missing, before anything starts; weights.py looks for the models
run.py           the steps: train, caption or ask, evaluate
table.py         this run's scores beside those of published.py

Importing it imports neither torch nor Ray.
"""

"""The distributed captioning pipeline on Ray Data: sources, stages and sink.

    caption.py   a captioning run: plan, check, caption what is missing, verify, mark
    chunk.py     the unit of work, from source to sink
    storage/     files behind paths and URLs, folders written whole, retries, redaction
    formats/     tar, streaming JSON, image formats: what sources and texts share
    sources/     which shards a SOURCE holds, and the samples of one shard
    stages/      one class a stage, plain classes that run without Ray; decoding/ holds the sandbox
    execution/   the stages as a Ray Data graph, or in this process; cluster, worker activity, watchdog
    run/         a run's settings, its folder, which is also the checkpoint, and its progress
    join/        the names by which others know an image; questions/: a file of questions, sorted by image
    inspect/     a run's table read back, and drawn
    evaluate/    scores of a run; analyze/: the two findings; experiments/: the paper's, from files to a table
    submit/      runs sent to a cluster as jobs; plan/: what one would take; doctor/: what works here
    report/      a run's page; export/: what trainers load; quality/: what is wrong with a caption
    texts/       captions to train on
    train/       text-only training as a job
    verify/      a finished run read back, against its source
    benchmark/   how fast all of it is, and how far from what the machine can do

It calls `maccap` for every model step and holds no model mathematics. Importing it imports neither Ray nor
torch.
"""

import os

# Ray reads these as it is imported. A thread that outlives the Ray it works on would start another one; and
# what a Ray on this machine alone listens at need not be reached from others: this name of a setting for
# other systems is the one that keeps it to the loopback interface.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
if not os.environ.get("RAY_ADDRESS"):
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

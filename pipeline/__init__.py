"""The distributed captioning pipeline on Ray Data: sources, stages and sink.

    sources/       which shards a SOURCE holds, and the samples of one shard
    chunk.py       the unit of work, from source to sink
    decode.py, features.py, candidates.py, rerank.py    the stages, plain classes that run without Ray
    isolated_decoder.py, decode_image.py    decoding in a process that a hostile image may kill
    write.py       the sink: one Parquet file a chunk, whole or not at all
    run_folder.py  the output folder, which is also the checkpoint
    verify/        a finished run read back, against its source
    local.py       the stages in this process
    flow.py        the same stages as a Ray Data graph

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

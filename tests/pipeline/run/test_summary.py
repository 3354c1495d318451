"""What a run says of itself: when it is whole, and when a limit ends it."""

import pytest

from pipeline.chunk import shard_file_stem
from pipeline.run.completed_chunks import WrittenChunks
from pipeline.run.progress import Progress
from pipeline.run.summary import run_summary, stopped_summary
from pipeline.sources.shard import Shard, ShardArgs
from pipeline.stages.write import ChunkFooter
from pipeline.storage.errors import RunError

SHARD = Shard("a.tar", "webdataset", "a.tar", ShardArgs())


def test_a_whole_run_is_told_from_its_files() -> None:
    written, progress = WrittenChunks(), Progress(shards=1, rows=5, written_before=3)
    written.add(shard_file_stem("a.tar"), 0, ChunkFooter(3, 1, False, range(3), flags={"short": 2}))
    with pytest.raises(RunError, match=r"1 shards are incomplete in run, for instance a\.tar"):
        run_summary("run", [SHARD], written, progress, 1.0, {}, ("caption",))
    written.add(shard_file_stem("a.tar"), 1, ChunkFooter(2, 0, True, range(3, 5)))
    found = run_summary("run", [SHARD], written, progress, 1.0, {"text": 1}, ("caption",)).model_dump()
    assert (found["chunks"], found["rows"], found["captioned"], found["new_rows"]) == (2, 5, 4, 2)
    assert found["flags"] == {"short": 2}
    assert not {"questions", "stopped", "rows_left"} & found.keys()


def test_a_run_that_was_stopped_says_by_what_and_what_is_left() -> None:
    progress = Progress(shards=3, rows=5, shards_done=1, rows_known=12)
    found = stopped_summary("run", "--max-cost", progress, 2.0, {})
    assert (found.stopped, found.shards_left, found.rows_left) == ("--max-cost", 2, 7)

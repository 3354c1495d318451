"""The column of flags."""

import pyarrow as pa

from pipeline.stages.flags import FlagStage


def test_captions_that_were_made_are_flagged() -> None:
    captions = pa.array(["two dogs on a beach", None, "a dog in a", ""], pa.string())
    done = FlagStage()(pa.table({"caption": captions}))
    assert done["flags"].to_pylist() == [[], None, ["cut"], ["empty"]]
    assert done["flags"].type == pa.list_(pa.string())

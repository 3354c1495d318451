"""Hundreds of hostile and damaged files through the stages that meet them: read, then decode."""

import json
import subprocess
import sys

from tests.hostile.corpus import corpus

PROGRAM = """
import json, resource, tempfile
from pathlib import Path
from maccap.image.preprocessing import PixelSpec
from pipeline.stages.decode import DecodeStage
from pipeline.stages.decoding.decode_image import DecodeLimits
from pipeline.sources.sample import ChunkLimits, chunk_samples
from pipeline.sources.shard import Shard
from pipeline.sources.webdataset import TarArgs, read_webdataset
from tests.hostile.corpus import corpus
from tests.images import write_tar

def peak(who):
    return resource.getrusage(who).ru_maxrss // 1024  # MB; of the children, that of the largest

with tempfile.TemporaryDirectory() as folder:
    members = [(f"{number:04d}-{name}", data) for number, (name, data) in enumerate(corpus().items())]
    path = write_tar(Path(folder) / "x.tar", members)
    members = None
    shard = Shard("x.tar", "webdataset", str(path), TarArgs())
    decode = DecodeStage(PixelSpec(64), DecodeLimits(max_pixels=20_000_000, seconds=2))
    begin = peak(resource.RUSAGE_SELF)
    rows = []
    for chunk in chunk_samples(shard.id, read_webdataset(shard), ChunkLimits(64)):
        decoded = decode(chunk.samples)
        rows += decoded.select(["image_id", "width", "height", "error"]).to_pylist()
    decode.close()
    here, there = peak(resource.RUSAGE_SELF) - begin, peak(resource.RUSAGE_CHILDREN)
print(json.dumps({"rows": rows, "here": here, "there": there}))
"""


def test_every_hostile_file_is_one_row_in_bounded_time_and_memory() -> None:
    names = list(corpus())
    assert len(names) >= 400
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=500
    )
    result = json.loads(done.stdout.splitlines()[-1])
    rows = {row["image_id"].removeprefix("x/"): row for row in result["rows"]}
    keys = [f"{number:04d}-{name}".rpartition(".")[0] for number, name in enumerate(names)]
    assert list(rows) == keys
    for row in rows.values():
        assert (row["error"] is None) == (row["width"] is not None) == (row["height"] is not None)
        assert row["error"] is None or 0 < len(row["error"]) < 400
    errors = {key[5:]: row["error"] for key, row in rows.items() if row["error"]}
    assert 0.3 < len(errors) / len(rows) < 0.8  # many kinds of damage leave an image that opens
    for name, reason in {
        "slow": "decoding takes more than 2 s",
        "tiles": "not enough memory",
        "black-100-megapixels": "max_pixels",
        "claims-65500": "max_pixels",
        "screen": "max_pixels",
        "claims-30000x30000": "max_pixels",
        "webp-claims": "max_pixels",
        "page": "not an image of a known format: HTML",
        "empty": "0 bytes",
        "sliver": "too narrow",
    }.items():
        assert reason in errors[name], (name, errors[name])
    assert not {"zTXt"} & errors.keys()  # a text costs no pixels, whatever it unpacks to
    opened = {"zip-behind", "script-behind", "endless", "exif-loop", "exif-noise", "icc-noise", "rgb-tail"}
    opened |= {"idat-bomb", "many-chunks", "exif-counts", "icc-parts"}
    assert not opened & set(errors), {name: errors[name] for name in opened & set(errors)}
    print(
        f"peak memory: {result['here']} MB more in the worker, {result['there']} MB in the decoding process"
    )
    assert result["here"] < 200
    assert result["there"] < 600  # the file of 40,000 x 40,000 tiles alone would take 1,600

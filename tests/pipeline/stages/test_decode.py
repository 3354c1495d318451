import subprocess
import sys

import numpy as np
import pyarrow as pa

from maccap.image.preprocessing import PixelSpec
from pipeline.chunk import SOURCE_SCHEMA
from pipeline.formats.array_columns import read_pixels
from pipeline.stages.decode import DecodeStage
from pipeline.stages.decoding.decode_image import DecodeLimits, decode_image
from tests.images import BAD_FILES, hostile_files

SPEC = PixelSpec(32)


def test_a_stage_keeps_every_row_in_its_place() -> None:
    files = hostile_files()
    rows = [{"image_id": name, "index": n, "image": data} for n, (name, data) in enumerate(files.items())]
    rows.insert(2, {"image_id": "broken", "index": 99, "error": "the sample holds no image"})
    decoded = DecodeStage(SPEC, DecodeLimits())(pa.Table.from_pylist(rows, SOURCE_SCHEMA))
    assert decoded["image_id"].to_pylist() == [row["image_id"] for row in rows]
    for row in decoded.to_pylist():
        bad = row["image_id"] in BAD_FILES or row["image_id"] == "broken"
        assert (row["error"] is not None) == bad
        assert (row["width"] is None) == (row["height"] is None) == bad
    assert decoded["error"][2].as_py() == "the sample holds no image"
    last = list(files).index("plain.ppm") + 1
    expected = decode_image(files["plain.ppm"], SPEC).pixels
    assert np.array_equal(read_pixels(decoded["pixels"], [last])[0], expected)


def test_decoding_and_planning_never_load_torch_and_the_method_never_loads_ray() -> None:
    program = """
import sys
import pipeline.stages.decode, pipeline.sources, pipeline.stages.write
import pipeline.execution.caption_stages, pipeline.run.config
from maccap.image.preprocessing import PixelSpec
from tests.images import encoded, picture
pipeline.stages.decoding.decode_image.decode_image(encoded(picture()), PixelSpec(32))
import jobs.cli, jobs.caption
assert not {"torch", "open_clip", "transformers", "ray"} & set(sys.modules), sorted(sys.modules)
import maccap, maccap.captioner
assert "torch" in sys.modules and "ray" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

"""Run folders whose tables are made and not captioned: a folder of pictures, and rows with captions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from maccap import __version__
from maccap.bundle import Bundle
from pipeline.chunk import Chunk
from pipeline.run.facts import RunFacts
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.stages.write import CaptionWriter
from tests.captions import run_facts
from tests.images import encoded, picture

SHAPES = [(64, 48), (40, 90), (48, 48), (90, 30)]


def write_pictures(folder: Path, count: int) -> Path:
    """JPEG files of several shapes."""
    folder.mkdir(parents=True)
    for number in range(count):
        image = picture(number, *SHAPES[number % len(SHAPES)])
        (folder / f"{number:04d}.jpg").write_bytes(encoded(image))
    return folder


def captioned(number: int, caption: str | None, **fields: Any) -> dict[str, Any]:
    """A row of a table; with a caption, two candidates of which it is the second."""
    score = 0.2 + 0.001 * (number % 100)
    candidates = None
    if caption is not None:
        candidates = [
            {"text": f"{caption} again", "clip_score": score - 0.05, "logprob": -9.0},
            {"text": caption, "clip_score": score, "logprob": -0.5 * (1 + number % 7)},
        ]
    row = {
        "image_id": f"{number:04d}.jpg",
        "index": number,
        "width": 64,
        "height": 48,
        "caption": caption,
        "clip_score": None if caption is None else score,
        "candidates": candidates,
        "error": None,
        "metadata": None,
    }
    return {**row, **fields}


def write_run(
    output: Path,
    source: Path,
    rows: Sequence[dict[str, Any]],
    model: Path | None = None,
    last: bool = True,
    rows_per_file: int = 100,
    **facts: Any,
) -> RunFolder:
    """A run of `source`, which is one shard, with these rows; unfinished where no file is the `last`."""
    fingerprint = {} if model is None else {"model_fingerprint": Bundle.open(model).fingerprint}
    given: dict[str, Any] = {"source": str(source), "model": str(model or "/models/none"), **fingerprint}
    given |= {"max_pixels": 1 << 24, "max_bytes": 1 << 24, "version": __version__, **facts}
    made: RunFacts = run_facts(**given)
    folder, (shard,) = RunFolder(str(output)), plan_source(str(source)).shards
    folder.begin(made)
    folder.pin([shard])
    schema = made.table_schema()
    writer = CaptionWriter(folder.captions.url, made.for_footer(), schema)
    for start in range(0, len(rows), rows_per_file):
        part = [{"shard": shard.id, **row} for row in rows[start : start + rows_per_file]]
        columns = {
            name: pa.array([row.get(name) for row in part], schema.field(name).type) for name in schema.names
        }
        ends = last and start + rows_per_file >= len(rows)
        writer(Chunk(shard.id, start // rows_per_file, ends, pa.table(columns)))
    return folder


def finish(folder: RunFolder) -> RunFolder:
    """Mark the run as complete, with a summary."""
    written = folder.written()
    folder.finish(
        {
            "output": folder.top.url,
            "captions": folder.captions.url,
            "shards": 1,
            "chunks": written.chunks,
            "rows": written.rows,
            "captioned": written.rows - written.errors,
            "errors": written.errors,
            "new_rows": written.rows,
            "seconds": 10.0,
            "images_per_second": 30.0,
        }
    )
    return folder


def data_of(folder: Path) -> dict[str, Any]:
    """What the page of a report carries."""
    page = (folder / "index.html").read_text()
    return json.loads(page.split('id="data">')[1].split("</script>")[0])

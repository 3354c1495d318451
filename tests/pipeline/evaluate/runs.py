"""Run folders whose captions are known, and human captions of twenty images of COCO."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.chunk import Chunk
from pipeline.evaluate.captions import Captions, Row
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import table_schema
from pipeline.stages.write import CaptionWriter
from tests.captions import run_facts

EXCERPT = Path(__file__).parent / "coco_captions.json"
COLUMNS = frozenset({"caption"})


def human() -> list[dict[str, Any]]:
    """`image_name` and five `captions` each."""
    return json.loads(EXCERPT.read_text())


def row(index: int, caption: str | None, **fields: Any) -> dict[str, Any]:
    """Of the caption table."""
    return {
        "image_id": f"s/{index}", "shard": "s.tar", "index": index, "width": 8, "height": 8,
        "caption": caption, "clip_score": 0.5, "candidates": None, "metadata": None,
        "error": None if caption else "damaged image", **fields,
    }  # fmt: skip


def write_run(folder: Path, rows: Sequence[dict[str, Any]], **facts: Any) -> str:
    """A run folder with these rows, in files of 16."""
    (folder / "captions").mkdir(parents=True)
    (folder / "run.json").write_text(run_facts(**facts).model_dump_json())
    asked = any("answers" in row for row in rows)
    schema = table_schema(stages_of(("caption", "ask") if asked else ("caption",)))
    write = CaptionWriter(str(folder / "captions"), {}, schema)
    for position, start in enumerate(range(0, len(rows), 16)):
        part = pa.Table.from_pylist(list(rows[start : start + 16]), schema)
        write(Chunk(rows[0]["shard"], position, start + 16 >= len(rows), part))
    return str(folder)


def captions_of(texts: Sequence[str | None], references: Sequence[Sequence[str]] = ()) -> Captions:
    """Captions without a run folder."""
    return Captions(
        "run",
        [
            Row(
                f"s/{n}",
                "s.tar",
                n,
                text,
                None,
                f"s/{n}",
                references=tuple(references[n]) if references else (),
            )
            for n, text in enumerate(texts)
        ],
        COLUMNS,
    )


def human_against_human() -> Captions:
    """The first caption of each image, scored against the other four."""
    images = human()
    return captions_of([one["captions"][0] for one in images], [one["captions"][1:] for one in images])

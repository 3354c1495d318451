"""Archives of pictures, and runs over them whose captions are known: a run folder as a run leaves it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.chunk import Chunk
from pipeline.export.export import ExportSummary, export_run
from pipeline.export.options import ExportOptions
from pipeline.run.pinned_plan import plan_file
from pipeline.sources import plan_source, read_shard
from pipeline.sources.sample import row_ids
from pipeline.stages.registry import STAGES, stages_of
from pipeline.stages.steps import table_schema
from pipeline.stages.write import CaptionWriter
from tests.captions import run_facts
from tests.images import encoded, picture, write_tar

Row = dict[str, Any]
ROWS_PER_FILE = 4


def tars(folder: Path, count: int = 2, samples: int = 6) -> Path:
    """Tars of pictures, of which every second is a PNG."""
    for number in range(count):
        members = []
        for sample in range(samples):
            kind = ("JPEG", "jpg") if sample % 2 else ("PNG", "png")
            members.append((f"{sample:04d}.{kind[1]}", encoded(picture(100 * number + sample), kind[0])))
        write_tar(folder / f"part-{number:03d}.tar", members)
    return folder


def captioned(row: Row) -> Row:
    """A caption for each image, with two more candidates, and a score that grows with the index."""
    text, score = f"a picture of {row['image_id']}", 0.1 * row["index"]
    candidates = [
        {"text": "it is worse", "clip_score": score - 0.2, "logprob": -1.0},
        {"text": text, "clip_score": score, "logprob": -3.0},
        {"text": "it is bad", "clip_score": score - 0.1, "logprob": -2.0},
    ]
    return {"caption": text, "clip_score": score, "candidates": candidates}


def write_run(
    folder: Path,
    source: Path | str,
    fields: Callable[[Row], Row] = captioned,
    asks: bool = False,
    finished: bool = True,
    **facts: Any,
) -> str:
    """A run over `source` in which each row is what `fields` makes of its id, shard and index."""
    plan = plan_source(str(source)).shards
    known = run_facts(source=str(source), max_bytes=1 << 20, **facts)
    (folder / "captions").mkdir(parents=True)
    (folder / "run.json").write_text(known.model_dump_json())
    (folder / "plan.parquet").write_bytes(plan_file(plan))
    more = asks or {"existing_caption", "score_heads"} & facts.keys()
    stages = STAGES if more else stages_of(("caption",))
    schema = table_schema(stages)
    write = CaptionWriter(str(folder / "captions"), {}, schema)
    for shard in plan:
        rows = [
            {"image_id": image_id, "shard": shard.id, "index": index, "width": 48, "height": 40}
            for index, image_id in enumerate(row_ids(shard.id, read_shard(shard)))
        ]
        rows = [{**row, **fields(row)} for row in rows]
        for position, start in enumerate(range(0, len(rows) or 1, ROWS_PER_FILE)):
            part = pa.Table.from_pylist(rows[start : start + ROWS_PER_FILE], schema)
            write(Chunk(shard.id, position, start + ROWS_PER_FILE >= len(rows), part))
    for name, content in {"summary.json": "{}", "_SUCCESS": ""}.items() if finished else ():
        (folder / name).write_text(content)
    return str(folder)


def export(run: str, output: Path | str, form: str, **options: Any) -> ExportSummary:
    """In this process."""
    return export_run(run, str(output), ExportOptions(format=form, **options), local=True)

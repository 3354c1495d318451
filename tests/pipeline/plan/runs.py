"""Run folders that are begun, of tars of five pictures each, made without captioning."""

from pathlib import Path

import pyarrow as pa

from pipeline.chunk import Chunk
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source, read_chunks
from pipeline.stages.write import CaptionWriter


def begun(source: Path, output: Path, model: Path) -> Path:
    """With a file for every chunk of two rows, whose captions are null, and without `_SUCCESS`."""
    config, plan = CaptionJobConfig(chunk_rows=2), plan_source(str(source))
    facts = run_facts(str(source), plan, str(model), open_bundle(str(model)), config, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    schema = facts.table_schema()
    write = CaptionWriter(f"{output}/captions", facts.for_footer(), schema)
    for shard in plan.shards:
        for chunk in read_chunks(shard, config.limits(), {}):
            rows = chunk.samples.num_rows
            columns = [
                chunk.samples[field.name] if field.name in chunk.samples.column_names else pa.nulls(rows)
                for field in schema
            ]
            table = pa.table(columns, names=schema.names)
            write(Chunk(chunk.shard, chunk.position, chunk.last, table))
    return output


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

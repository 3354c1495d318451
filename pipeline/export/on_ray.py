"""The parts of an export as tasks of Ray Data: one writes one file."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import pyarrow as pa
from ray.data import TaskPoolStrategy

from pipeline.execution.cluster import connect_to_ray
from pipeline.execution.ray_graph import results_of, shard_rows
from pipeline.execution.ray_operators import configure_ray_data
from pipeline.execution.stage_errors import telling
from pipeline.export.parts import Part
from pipeline.export.write_part import PartResult, PartWriter


def written_on_ray(writer: PartWriter, parts: Sequence[Part]) -> Iterator[PartResult]:
    """Write the parts on the Ray that this process is connected to, or a new local one; yields a
    result as each is done. Raises RunError.
    """
    if not parts:
        return
    connect_to_ray()
    configure_ray_data()
    rows = shard_rows(cast(Any, parts))
    assert rows is not None
    written = rows.map_batches(
        partial(_write, writer), batch_size=1, batch_format="pyarrow", compute=TaskPoolStrategy(), num_cpus=1
    )
    yield from map(PartResult.from_json, results_of(written))


def _write(writer: PartWriter, rows: pa.Table) -> pa.Table:
    results = []
    for row in rows.to_pylist():
        part = Part.from_row(row)
        with telling(f"file {part.id} of the export"):
            results.append(writer(part).to_json())
    return pa.table({"result": results})

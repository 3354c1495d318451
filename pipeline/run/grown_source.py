"""A SOURCE that has grown: what came since the run was planned becomes shards of its own, where the rows that
are written tell it from what was there.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from pipeline.chunk import chunk_file_name
from pipeline.run.pinned_plan import PlanChanges, compared
from pipeline.sources import Shard, SourceOptions, growth_apart, plan_source
from pipeline.stages.write import read_footer
from pipeline.storage.folder import Folder, reading


def planned_with_growth_apart(
    source: str,
    options: SourceOptions,
    pinned: Sequence[Shard],
    now: Sequence[Shard],
    changes: PlanChanges,
    captions: Folder,
) -> tuple[list[Shard], PlanChanges]:
    """SOURCE planned again, with what its changed shards have grown by set apart, and compared with the plan
    that is `pinned`, as `now` with `changes` was before. Raises UserError, and RunError where `captions`
    cannot be read.
    """
    urls = {shard.id: shard.url for shard in now}  # with what is secret in them
    before = [replace(shard, url=urls.get(shard.id, shard.url)) for shard in pinned]
    apart = growth_apart(before, {*changes.changed}, lambda shard: written_ids(captions, shard))
    return compared(pinned, plan_source(source, options, pinned=apart).shards)


def written_ids(captions: Folder, shard: Shard) -> set[str] | None:
    """The ids of all rows of a shard; None where a file of it is missing or damaged."""
    ids: set[str] = set()
    position, is_last = 0, False
    while not is_last:
        name = chunk_file_name(shard.id, position)
        footer = read_footer(captions, name)
        if footer is None:
            return None
        with reading(f"{captions.url}/{name}"), captions.open(name) as file:
            ids.update(pq.ParquetFile(file).read(columns=["image_id"])["image_id"].to_pylist())
        position, is_last = position + 1, footer.last
    return ids

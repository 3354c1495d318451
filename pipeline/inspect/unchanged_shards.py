"""The shards of a run's source that are still what the run was planned on."""

from collections.abc import Sequence

from pipeline.run.facts import RunFacts
from pipeline.run.pinned_plan import compared
from pipeline.sources import Shard, SourceOptions, plan_source
from pipeline.sources.registry import source_of


def hold_images(planned: Sequence[Shard]) -> bool:
    """Whether a run's shards have images, and not the features that another run kept."""
    return all("image" in source_of(shard).columns for shard in planned[:1])


def unchanged_shards(facts: RunFacts, planned: Sequence[Shard]) -> dict[str, Shard]:
    """Those of `planned` that SOURCE still has, as far as its storage tells, by the ids that they were
    planned with. Raises UserError where SOURCE is gone.
    """
    now = plan_source(facts.source, SourceOptions.of(facts), planned).shards
    shards, changes = compared(planned, now)
    others = {*changes.added, *changes.changed, *changes.appeared}
    return {shard.id: shard for shard in shards if shard.id not in others}

"""One captioning run from SOURCE to a finished run folder: plan, check, caption what is missing, verify,
mark.
"""

import time

from maccap import __version__
from maccap.bundle import Bundle
from maccap.config import Config
from pipeline.config import CaptionJobConfig
from pipeline.errors import RunError, UserError
from pipeline.flow import Cluster, caption_on_ray
from pipeline.progress import Progress, shown
from pipeline.run_folder import CAPTIONS, RunFacts, RunFolder, WrittenChunks, unfinished
from pipeline.sources import SourcePlan, absolute_source, plan_source
from pipeline.sources.sample import describe
from pipeline.stages import CaptionStages, ShardWork
from pipeline.torch_runtime import Precision


class Summary(Config):
    """What a finished run says of itself; `summary.json` and the command's last line."""

    output: str
    captions: str
    shards: int
    chunks: int
    rows: int
    captioned: int
    errors: int
    new_rows: int
    seconds: float
    images_per_second: float


def caption_archive(
    source: str, output: str, model: str, config: CaptionJobConfig, retry_errors: bool = False
) -> Summary:
    """Caption every image of `source` into `output`, on the Ray this process is connected to, or a new local
    one.

    Continues where an earlier run with the same arguments stopped. Raises UserError for what the user can put
    right and RunError where the run broke; either way, what is written stays.
    """
    start = time.monotonic()
    source, output = absolute_source(source), absolute_source(output).rstrip("/")
    folder = RunFolder(output)
    recorded = folder.recorded()
    model = absolute_source(model)
    bundle = open_bundle(model)
    plan = plan_source(source)
    cluster = Cluster(config.resources)
    facts = run_facts(source, plan, model, bundle, config, _precision(config, recorded, cluster))
    shard_ids = [shard.id for shard in plan.shards]
    folder.check(facts)
    kept = folder.written()
    retry_errors = retry_errors and kept.errors > 0
    if not retry_errors and not unfinished(shard_ids, kept) and (summary := _finished(folder)):
        return summary
    folder.begin(facts)
    if retry_errors:
        folder.remove_errors()
        kept = folder.written()
    missing = set(unfinished(shard_ids, kept))
    work = [ShardWork(s, tuple(kept.of_shard(s.id).positions)) for s in plan.shards if s.id in missing]
    progress = Progress(
        shards=len(shard_ids),
        rows=kept.rows,
        errors=kept.errors,
        chunks=kept.chunks,
        chunks_of_done_shards=sum(len(kept.of_shard(shard).positions) for shard in set(shard_ids) - missing),
        shards_done=len(shard_ids) - len(missing),
        rows_known=plan.images,
        written_before=kept.rows,
    )
    stages = CaptionStages(output, bundle.pixel_spec(), facts, config)
    if work:
        with shown(progress):
            for receipt in caption_on_ray(stages, work, cluster.resources):
                progress.add(receipt)
    summary = _summary(output, shard_ids, folder.remove_beyond_the_end(), progress, time.monotonic() - start)
    folder.finish(summary.model_dump())
    return summary


def open_bundle(model: str) -> Bundle:
    """The model bundle at `model`, all its files there. Raises UserError that names the file and the fix."""
    try:
        bundle = Bundle.open(model)
        bundle.fingerprint, bundle.pixel_spec()
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model {model} cannot be opened: {describe(error)}") from None
    return bundle


def run_facts(
    source: str,
    plan: SourcePlan,
    model: str,
    bundle: Bundle,
    config: CaptionJobConfig,
    precision: Precision,
) -> RunFacts:
    """What decides the table, resolved: no defaults are left open."""
    return RunFacts(
        source=source,
        listing=plan.listing,
        model=model,
        model_fingerprint=bundle.fingerprint,
        decoding=config.decoding_over(bundle.config.decoding),
        seed=config.seed,
        chunk_rows=config.chunk_rows,
        chunk_bytes=config.chunk_bytes,
        max_pixels=config.max_pixels,
        reduce_jpegs=config.reduce_jpegs,
        precision=precision,
        version=__version__,
    )


def _precision(config: CaptionJobConfig, recorded: RunFacts | None, cluster: Cluster) -> Precision:
    """`auto` keeps to what the run began with, so that it can be resumed on another machine."""
    if config.precision != "auto":
        return config.precision
    if recorded is not None:
        return recorded.precision
    return "bfloat16" if cluster.has_gpu else "float32"


def _finished(folder: RunFolder) -> Summary | None:
    """What the finished run in `folder` said of itself, but for new rows, of which there are none."""
    try:
        stored = folder.finished()
        summary = Summary.model_validate_json(stored) if stored is not None else None
    except ValueError:  # damaged: the run is finished once more
        return None
    here = {"output": folder.top.url, "captions": folder.captions.url, "new_rows": 0}
    return summary.model_copy(update=here) if summary else None


def _summary(
    output: str, shards: list[str], written: WrittenChunks, progress: Progress, seconds: float
) -> Summary:
    """From the files themselves, not from the receipts. Raises RunError if a chunk is missing."""
    missing = unfinished(shards, written)
    if missing:
        raise RunError(
            f"{len(missing)} shards are incomplete in {output}, for instance {missing[0]}. "
            "Start the same command again to caption what is missing."
        )
    return Summary(
        output=output,
        captions=f"{output}/{CAPTIONS}",
        shards=len(shards),
        chunks=written.chunks,
        rows=written.rows,
        captioned=written.rows - written.errors,
        errors=written.errors,
        new_rows=progress.rows - progress.written_before,
        seconds=round(seconds, 2),
        images_per_second=round(progress.images_per_second, 2),
    )

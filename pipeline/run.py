"""One captioning run from SOURCE to a finished run folder: plan, check, caption what is missing, verify,
mark.
"""

import time

from maccap import __version__
from maccap.bundle import Bundle
from maccap.config import Config
from pipeline.chunk import shard_file_stem
from pipeline.cluster import Cluster
from pipeline.config import CaptionJobConfig
from pipeline.errors import RunError, UserError
from pipeline.flow import caption_on_ray
from pipeline.progress import Progress, shown
from pipeline.redact import describe, redacted
from pipeline.run_folder import CAPTIONS, RunFacts, RunFolder
from pipeline.selection import ALL, Selection, first_images
from pipeline.sources import Shard, SourcePlan, absolute_source, plan_source
from pipeline.stages import CaptionStages, ShardWork
from pipeline.torch_runtime import Precision
from pipeline.written import WrittenChunks, unfinished


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
    source: str,
    output: str,
    model: str,
    config: CaptionJobConfig,
    retry_errors: bool = False,
    selection: Selection = ALL,
) -> Summary:
    """Caption every image of `source`, or of what `selection` says of it, into `output`, on the Ray this
    process is connected to, or a new local one.

    Continues where an earlier run with the same arguments stopped. Raises UserError for what the user can put
    right and RunError where the run broke; either way, what is written stays.
    """
    start = time.monotonic()
    source, output = absolute_source(source), absolute_source(output).rstrip("/")
    folder = RunFolder(output)
    recorded = folder.recorded()
    model = absolute_source(model)
    bundle = open_bundle(model)
    plan = plan_source(source, config.source_options())
    if plan.from_features:
        _check_features(source, bundle, config)
    cluster = Cluster(config.resources)
    facts = run_facts(source, plan, model, bundle, config, _precision(config, recorded, cluster))
    folder.check(facts)
    shards = selection.of(_within_limit(plan, config, folder))
    shard_ids = [shard.id for shard in shards]
    stems = None if selection.is_all else {shard_file_stem(shard) for shard in shard_ids}
    kept = folder.written(stems)
    retry_errors = retry_errors and kept.errors > 0
    complete = not retry_errors and not unfinished(shard_ids, kept)
    if complete and (finished := _finished(folder, selection)):
        return finished
    if not (complete and selection.shards):  # nothing to do, and no mark of its own: others' marks stay
        folder.begin(facts, stems, selection.partition)
    if retry_errors:
        folder.remove_errors(stems)
        kept = folder.written(stems)
    missing = set(unfinished(shard_ids, kept))
    work = [ShardWork(s, tuple(kept.of_shard(s.id).positions)) for s in shards if s.id in missing]
    progress = Progress(
        shards=len(shard_ids),
        rows=kept.rows,
        errors=kept.errors,
        chunks=kept.chunks,
        chunks_of_done_shards=sum(len(kept.of_shard(shard).positions) for shard in set(shard_ids) - missing),
        shards_done=len(shard_ids) - len(missing),
        rows_known=plan.images if selection.is_all and config.limit is None else None,
        written_before=kept.rows,
    )
    stages = CaptionStages(output, bundle.pixel_spec(), facts, config, plan.from_features)
    if work:
        with shown(progress):
            for receipt in caption_on_ray(stages, work, cluster.resources, progress.note_read):
                progress.add(receipt)
    written = folder.remove_beyond_the_end(stems)
    return _finish(
        folder, selection, _summary(output, shard_ids, written, progress, time.monotonic() - start)
    )


def _within_limit(plan: SourcePlan, config: CaptionJobConfig, folder: RunFolder) -> list[Shard]:
    if config.limit is None:
        return plan.shards
    kept = folder.written()

    def rows(shard: Shard) -> int | None:
        written = kept.of_shard(shard.id)
        return written.rows if written.complete else None

    return first_images(plan.shards, config.limit, rows, config.max_bytes)


def _finish(folder: RunFolder, selection: Selection, summary: Summary) -> Summary:
    """Leave the marks of what is complete: the run, or a partition, and with the last of these the run."""
    if selection.is_all:
        folder.finish(summary.model_dump())
    elif selection.partition:
        parts = folder.finish_partition(selection.partition, summary.model_dump())
        if parts:
            folder.finish(_sum([Summary.model_validate_json(part) for part in parts]).model_dump())
    return summary


def _sum(parts: list[Summary]) -> Summary:
    """Of clusters that worked side by side: the time is that of the slowest."""
    counts = ("shards", "chunks", "rows", "captioned", "errors", "new_rows", "images_per_second")
    totals = {name: sum(getattr(part, name) for part in parts) for name in counts}
    return parts[0].model_copy(update={**totals, "seconds": max(part.seconds for part in parts)})


def open_bundle(model: str) -> Bundle:
    """The model bundle at `model`, all its files there. Raises UserError that names the file and the fix."""
    try:
        bundle = Bundle.open(model)
        bundle.fingerprint, bundle.pixel_spec()
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model {model} cannot be opened: {describe(error)}") from None
    return bundle


def _check_features(source: str, bundle: Bundle, config: CaptionJobConfig) -> None:
    """Raises UserError where the features in run folder `source` are not those this model's adaptor knows."""
    kept = RunFolder(source).recorded()
    if kept is None or kept.features_fingerprint != bundle.features_fingerprint:
        raise UserError(
            f"SOURCE {redacted(source)} keeps features of another CLIP or other regions than this model's. "
            "Choose a model with the same ones, or caption the images."
        )
    if config.limit is not None:
        raise UserError("--limit counts images, which a run folder as SOURCE has not. Choose --shards.")


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
        image_root=absolute_source(config.image_root) if config.image_root else None,
        image_column=config.image_column,
        limit=config.limit,
        keep_features=config.keep_features,
        max_bytes=config.max_bytes,
        accept_truncated=config.accept_truncated,
        reduce_jpegs=config.reduce_jpegs,
        features_fingerprint=bundle.features_fingerprint if config.keep_features else None,
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


def _finished(folder: RunFolder, selection: Selection) -> Summary | None:
    """What the finished run or partition in `folder` said of itself, now without new rows."""
    if selection.shards:
        return None
    try:
        stored = folder.finished(selection.partition)
        summary = Summary.model_validate_json(stored) if stored is not None else None
    except ValueError:  # damaged: the run is finished once more
        return None
    here = {"output": redacted(folder.top.url), "captions": redacted(folder.captions.url), "new_rows": 0}
    return summary.model_copy(update=here) if summary else None


def _summary(
    output: str, shards: list[str], written: WrittenChunks, progress: Progress, seconds: float
) -> Summary:
    """From the files themselves, not from the receipts. Raises RunError if a chunk is missing."""
    missing = unfinished(shards, written)
    if missing:
        raise RunError(
            f"{len(missing)} shards are incomplete in {redacted(output)}, for instance {missing[0]}. "
            "Start the same command again to caption what is missing."
        )
    return Summary(
        output=redacted(output),
        captions=redacted(f"{output}/{CAPTIONS}"),
        shards=len(shards),
        chunks=written.chunks,
        rows=written.rows,
        captioned=written.rows - written.errors,
        errors=written.errors,
        new_rows=progress.rows - progress.written_before,
        seconds=round(seconds, 2),
        images_per_second=round(progress.images_per_second, 2),
    )

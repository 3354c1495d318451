"""One analysis from SOURCE to a folder of numbers, plots and a page: plan, check, compare, fold, write."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from maccap import __version__
from maccap.bundle_files import NOISE
from pipeline.analyze.analysis import ANALYSIS_FILE, Analysis
from pipeline.analyze.captions import OWN_CAPTION, captions_of, field_names
from pipeline.analyze.findings import findings_of
from pipeline.analyze.page import PAGE_FILE, PLOTS, page
from pipeline.analyze.partials import folded
from pipeline.analyze.stages import STAGES, STATISTICS, AnalysisStages
from pipeline.analyze.statistics import Statistics
from pipeline.analyze.verdicts import verdicts
from pipeline.execution.caption_stages import ShardWork
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.pinned_plan import compared
from pipeline.run.progress import Progress, live_line
from pipeline.run.run_folder import RunFolder
from pipeline.run.selection import first_images
from pipeline.sources import Shard, SourceOptions, SourcePlan, check_shards, plan_source, read_shard
from pipeline.sources.coco import CocoJson
from pipeline.stages.write import WriteResult
from pipeline.storage.errors import UserError
from pipeline.storage.folder import Folder, writing
from pipeline.storage.redact import describe, redacted
from pipeline.storage.urls import absolute
from pipeline.train.noise import MEASURED, write_noise
from pipeline.train.towers import Towers

_LOOKED_AT = 1000  # samples, one of which must have a caption
_READ_AS_RUN = (
    *("chunk_rows", "chunk_bytes", "max_pixels", "max_bytes", "accept_truncated", "reduce_jpegs", "colour"),
    *SourceOptions.model_fields,
)
NoteRead = Callable[[int], object]


def analyze(
    source: str,
    output: str,
    model: str,
    config: CaptionJobConfig,
    captions: tuple[str, ...] = (),
    say: Callable[[str], object] = lambda line: None,
    local: bool = False,
) -> Analysis:
    """Measure both findings on the images and captions of `source`: on Ray, or in this process (`local`).

    SOURCE is any that can be captioned, with captions in its metadata, in the fields `captions` or one known
    to hold them; or a run folder: its captions by default, and the images of its source. Raises UserError for
    what the user can put right and RunError where the run broke.
    """
    source, output, model = absolute(source), absolute(output).rstrip("/"), absolute(model)
    folder = _output(output)
    bundle = open_bundle(model)
    run, plan, config = _planned(source, config)
    say(f"SOURCE {redacted(source)} is taken for {plan.line()}")
    shards = plan.shards
    if config.limit is not None:
        shards = first_images(shards, config.limit, lambda shard: None, config.max_bytes)
    if run is not None and not captions:
        captions = (OWN_CAPTION,)
    else:
        _check_captions(source, shards, captions, config.max_bytes)
    facts = run_facts(source, plan, model, bundle, config, "float32")
    stages = AnalysisStages(output, bundle.pixel_spec(), facts, config, captions=captions, run=run)
    parts = Folder(f"{output}/{STATISTICS}")
    with writing(output):
        parts.remove_all()
        parts.make()
    progress = Progress(shards=len(shards), rows_known=plan.images if config.limit is None else None)
    with live_line(progress):
        for result in _results(stages, [ShardWork(shard) for shard in shards], progress, local):
            progress.add(result)
    statistics = folded(parts.url)
    with writing(output):
        parts.remove_all()
    _check_found(source, statistics, captions)
    findings = findings_of(statistics, bundle.config.noise_variance)
    analysis = Analysis(
        source=redacted(source),
        taken_for=plan.taken_for,
        left_out=plan.left_out,
        captions=captions,
        limit=config.limit,
        model=redacted(model),
        model_fingerprint=bundle.fingerprint,
        seed=config.seed,
        version=__version__,
        verdicts=verdicts(findings),
        findings=findings,
    )
    clip = Towers(bundle.config.clip, bundle.config.llm, model).clip_fingerprint
    _write(folder, analysis, statistics.sample.values, clip)
    return analysis


def _output(output: str) -> Folder:
    """Raises UserError where it holds something else than an analysis."""
    ours = {ANALYSIS_FILE, PAGE_FILE, STATISTICS, MEASURED, NOISE, *PLOTS}
    try:
        folder = Folder(output)
        names = {name for name in folder.names() if not name.startswith(".")}
    except (ImportError, ValueError, OSError) as error:
        raise UserError(f"OUTPUT {redacted(output)} cannot be opened: {describe(error)}") from None
    if names - ours or (names and not names & {ANALYSIS_FILE, STATISTICS}):
        raise UserError(
            f"OUTPUT {redacted(output)} holds something else than an analysis, for instance "
            f"{min(names - ours or names)}. Choose a new or an empty folder."
        )
    return folder


def _planned(source: str, config: CaptionJobConfig) -> tuple[str | None, SourcePlan, CaptionJobConfig]:
    """The run folder that SOURCE is, if it is one; the shards; and the settings they are read with."""
    try:
        is_run = Folder(source).read("run.json") is not None
    except (OSError, ValueError, ImportError):  # what is wrong with it, `plan_source` says
        is_run = False
    if not is_run:
        plan = plan_source(source, SourceOptions.of(config))
        check_shards(plan.shards)
        return None, plan, config
    run = RunFolder(source.rstrip("/"))
    facts = run.recorded()
    if facts is None or (pinned := run.planned()) is None:
        raise UserError(f"SOURCE {redacted(source)} is a run that has not begun. Caption its images first.")
    plan = plan_source(facts.source, SourceOptions.of(facts), pinned)
    if plan.from_features:
        raise UserError(
            f"SOURCE {redacted(source)} is a run made from kept features, without images. Give the run that "
            "kept them."
        )
    shards, changes = compared(pinned, plan.shards)
    if changes:
        raise UserError(
            f"SOURCE {redacted(source)} is a run whose images are not what they were: "
            f"{'; '.join(changes.lines())}. Caption them again with --accept-changed first."
        )
    same = {name: getattr(facts, name) for name in _READ_AS_RUN}
    limits = [limit for limit in (config.limit, facts.limit) if limit is not None]
    as_run = config.model_copy(update={**same, "limit": min(limits, default=None)})
    words = f"a run and its images, which are {plan.taken_for}"
    return run.top.url, replace(plan, shards=shards, taken_for=words), as_run


def _check_captions(source: str, shards: Sequence[Shard], fields: Sequence[str], max_bytes: int) -> None:
    """Raises UserError where none of the first samples has a caption."""
    samples = (sample for shard in shards for sample in read_shard(shard, max_bytes) if sample.error is None)
    seen: list[str | None] = []
    for sample in islice(samples, _LOOKED_AT):
        metadata = sample.read_metadata() if sample.read_metadata else sample.metadata
        if captions_of(metadata, fields).texts:
            return
        seen.append(metadata)
    message = _no_captions(f"the first {len(seen):,} samples", source, fields, field_names(seen))
    if any(shard.source == CocoJson.name for shard in shards):
        message += " The `annotations` of a COCO JSON are not read: captions must be in its `images`."
    raise UserError(message)


def _check_found(source: str, statistics: Statistics, fields: Sequence[str]) -> None:
    counts = statistics.counts
    if counts["pairs"]:
        return
    if counts["uncaptioned"] or not counts["errors"]:
        raise UserError(_no_captions("its samples", source, fields, statistics.field_names))
    raise UserError(
        f"SOURCE {redacted(source)} has no image that can be read: {counts['errors']:,} errors, for instance "
        f"{statistics.errors[0]}."
    )


def _no_captions(which: str, source: str, fields: Sequence[str], names: Sequence[str]) -> str:
    wanted = f"in the field {', '.join(fields)}" if fields else "in a field known to hold captions"
    there = "They come with no fields at all."
    if names:
        there = f"The fields there are: {', '.join(names)}. Name the one that holds captions with --captions."
    return f"SOURCE {redacted(source)} has no captions: none of {which} has one {wanted}. {there}"


def _results(
    stages: AnalysisStages, work: Sequence[ShardWork], progress: Progress, local: bool
) -> Iterator[WriteResult]:
    if local:
        from pipeline.execution.in_process import CaptionInProcess

        return CaptionInProcess().caption(stages, work, progress)
    from pipeline.execution.ray_graph import CaptionOnRay

    return CaptionOnRay(None, STAGES).caption(stages, work, progress)


def _write(folder: Folder, analysis: Analysis, differences: NDArray[np.float32], clip: str) -> None:
    """`analysis.json` last: a folder that has it has all. Noise may resemble `differences` of some pairs in
    the space of a CLIP, where they are not all alike.
    """
    from pipeline.analyze.plots import draw

    pictures = draw(analysis.findings)
    with writing(folder.url):
        for name in (MEASURED, NOISE):
            folder.remove(name)
        if len(differences) > 1 and differences.std(axis=0).any():
            write_noise(folder, differences, clip)
        for name, picture in pictures.items():
            folder.write(name, picture)
        folder.write(PAGE_FILE, page(analysis, pictures).encode())
        folder.write(ANALYSIS_FILE, (analysis.model_dump_json(indent=1) + "\n").encode())

"""What comes before a run, and writes nothing: SOURCE is listed, the model opened, and both held against what
is in OUTPUT.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from maccap import __version__
from maccap.bundle import Bundle
from maccap.config import REGION_WEIGHT
from maccap.text.engines import find_engine
from pipeline.execution.caption_stages import CaptionStages
from pipeline.questions.survey import Survey
from pipeline.run.config import CaptionJobConfig
from pipeline.run.facts import RunFacts
from pipeline.run.grown_source import planned_with_growth_apart
from pipeline.run.pinned_plan import PlanChanges, compared, in_planned_order
from pipeline.run.question_store import survey_questions
from pipeline.run.run_folder import RunFolder, changed_source
from pipeline.run.selection import first_images
from pipeline.sources import Shard, SourceOptions, SourcePlan, check_shards, plan_source
from pipeline.stages.score_heads import fingerprints_of
from pipeline.stages.torch_runtime import Computes, Precision, chosen_precision
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe, redacted
from pipeline.storage.urls import absolute

_SAME = "an image gets the same caption whatever the batches, workers and resumes, on one kind of device"
_SAME_CAPTION: dict[Precision, str] = {
    "float32": f"{_SAME} with one version of torch; on a GPU also with one candidate_batch",
    "bfloat16": f"{_SAME} with one version of torch and one candidate_batch",
    "float16": f"{_SAME} with one version of torch and one candidate_batch; on a CPU nearly so",
}
_OTHER_ENGINE = "the engine {engine} does not promise that an image gets the same caption in other batches"


def _promise(engine: str, precision: Precision) -> str:
    """What a run promises, in its `run.json`; `maccap benchmark --batches` measures it."""
    independent = find_engine(engine).independent_of_batching
    return _SAME_CAPTION[precision] if independent else _OTHER_ENGINE.format(engine=engine)


M = TypeVar("M", bound=Computes)


@dataclass(frozen=True)
class PreparedRun(Generic[M]):
    """A run that is checked, and of which nothing is written yet. `pinned` are the shards that an earlier
    command planned it on, None for a new run; `found` is its file of questions.
    """

    source: str
    folder: RunFolder
    config: CaptionJobConfig
    plan: SourcePlan
    pinned: list[Shard] | None
    found: Survey | None
    stages: CaptionStages
    machine: M


def prepare_run(
    source: str,
    output: str,
    model: str,
    config: CaptionJobConfig,
    machine_for: Callable[[CaptionJobConfig], M],
    say: Callable[[str], object] = lambda line: None,
) -> PreparedRun[M]:
    """List SOURCE, open the model, and hold both against what is in OUTPUT. Raises UserError for what a run
    would be refused for; writes nothing.
    """
    source, output = absolute(source), absolute(output).rstrip("/")
    if source.rstrip("/") == output:
        raise UserError(f"OUTPUT {redacted(output)} is SOURCE itself. Choose a new folder for the captions.")
    folder = RunFolder(output)
    recorded = folder.recorded()
    pinned = folder.planned() if recorded else None
    if recorded:
        config = config.resuming(recorded.stages)
    model = absolute(model)
    bundle = open_bundle(model)
    plan = plan_source(source, SourceOptions.of(config), pinned=pinned or ())
    say(f"SOURCE {redacted(source)} is taken for {plan.line()}")
    if plan.from_features:
        check_kept_features(source, bundle)
        _check_asked_of_features(source, config)
    if pinned is None:
        check_shards(plan.shards)
    machine = machine_for(config)
    precision = chosen_precision(config.precision, recorded.precision if recorded else None, machine)
    found = survey_questions(folder, config, recorded, plan.shards, say)
    facts = run_facts(source, plan, model, bundle, config, precision, found)
    folder.check(facts)
    stages = CaptionStages(output, bundle.pixel_spec(), facts, config, plan.columns)
    stages.steps()  # one that lacks a column is refused
    return PreparedRun(source, folder, config, plan, pinned, found, stages, machine)


def as_planned(
    run: PreparedRun[Any], accept_changed: bool, retry_errors: bool
) -> tuple[list[Shard], PlanChanges]:
    """The shards of SOURCE as the run was planned on them, or is planned on them from now on, and what is not
    as it was. Raises UserError for changes that are not accepted.
    """
    if run.pinned is None:
        return run.plan.shards, PlanChanges()
    shards, changes = compared(run.pinned, run.plan.shards)
    if accept_changed and changes.changed:
        options = SourceOptions.of(run.config)
        captions = run.folder.captions
        shards, changes = planned_with_growth_apart(
            run.source, options, run.pinned, shards, changes, captions
        )
    if not changes:
        return in_planned_order(run.pinned, shards), changes
    only_appeared = not (changes.added or changes.changed or changes.removed)
    if run.config.limit is not None:
        raise UserError(
            "SOURCE is not what this run with --limit was planned on, and its first images may be others:\n  "
            + "\n  ".join(changes.lines())
            + "\nChoose another OUTPUT."
        )
    if not accept_changed and not (retry_errors and only_appeared):
        raise UserError(changed_source(run.folder.top.url, changes))
    return shards, changes


def within_limit(shards: list[Shard], config: CaptionJobConfig, folder: RunFolder) -> list[Shard]:
    """Those that hold the images that the config's limit leaves, of which some may have to be counted."""
    if config.limit is None:
        return shards
    kept = folder.written()

    def rows(shard: Shard) -> int | None:
        written = kept.of_shard(shard.id)
        return written.rows if written.complete else None

    return first_images(shards, config.limit, rows, config.max_bytes)


def open_bundle(model: str) -> Bundle:
    """The model bundle at `model`, all its files there. Raises UserError that names the file and the fix."""
    try:
        bundle = Bundle.open(model)
        bundle.fingerprint, bundle.pixel_spec()
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"model {model} cannot be opened: {describe(error)}") from None
    return bundle


def check_kept_features(source: str, bundle: Bundle) -> None:
    """Raises UserError where the features in run folder `source` are not those this model's adaptor knows."""
    kept = RunFolder(source).recorded()
    if kept is None or kept.features_fingerprint != bundle.features_fingerprint:
        raise UserError(
            f"SOURCE {redacted(source)} keeps features of another CLIP or other regions than this model's. "
            "Choose a model with the same ones, or give the images."
        )


def _check_asked_of_features(source: str, config: CaptionJobConfig) -> None:
    """Raises UserError for what cannot be had of kept features."""
    if config.region_captions:
        raise UserError(
            f"SOURCE {redacted(source)} keeps features of images, and --region-captions needs the images: "
            "where their regions lie is not kept."
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
    questions: Survey | None = None,
) -> RunFacts:
    """What decides the table, resolved: no defaults are left open. Raises UserError for a score head that
    does not fit.
    """
    captions, asks = "caption" in config.tasks, "ask" in config.tasks
    heads = {name: absolute(file) for name, file in config.score_heads.items()}
    return RunFacts(
        source=source,
        taken_for=plan.taken_for,
        left_out=plan.left_out,
        **SourceOptions.of(config).model_dump(exclude={"image_root"}),
        model=model,
        model_fingerprint=bundle.fingerprint,
        engine=config.engine,
        stages=tuple(stage.name for stage in config.stages()),
        decoding=config.decoding_over(bundle.config.decoding),
        prompt=config.prompt if captions else None,
        existing_caption=config.existing_caption if captions else None,
        only_missing=config.only_missing and captions,
        only_below=config.only_below if captions else None,
        asking=config.ask if asks else None,
        questions=config.questions if asks else (),
        questions_file=absolute(config.questions_file) if questions and config.questions_file else None,
        questions_fingerprint=questions.fingerprint if questions else None,
        join_on=questions.rule if questions else None,
        score_heads=heads,
        score_head_fingerprints=fingerprints_of(heads, bundle.config.adaptor.clip_dim),
        seed=config.seed,
        chunk_rows=config.chunk_rows,
        chunk_bytes=config.chunk_bytes,
        max_pixels=config.max_pixels,
        image_root=absolute(config.image_root) if config.image_root else None,
        limit=config.limit,
        keep_features=config.keep_features,
        region_captions=config.region_captions,
        region_weight=REGION_WEIGHT if config.region_captions else None,
        max_bytes=config.max_bytes,
        accept_truncated=config.accept_truncated,
        reduce_jpegs=config.reduce_jpegs,
        colour=config.colour,
        features_fingerprint=bundle.features_fingerprint if config.keep_features else None,
        precision=precision,
        candidate_batch=None if precision == "float32" else config.candidate_batch,
        same_caption=_promise(config.engine, precision),
        version=__version__,
    )

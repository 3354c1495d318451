"""One run from SOURCE to a finished run folder: plan, check, caption or ask what is missing, verify, mark."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from pipeline.chunk import chunk_file_name, shard_file_stem
from pipeline.execution.budget import Budget, Size
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.prepare import as_planned, prepare_run, within_limit
from pipeline.questions.store import QuestionStore
from pipeline.run.completed_chunks import unfinished
from pipeline.run.config import CaptionJobConfig
from pipeline.run.log import log_written
from pipeline.run.pinned_plan import PlanChanges
from pipeline.run.progress import Progress, live_line
from pipeline.run.question_store import prepare_store, unasked_questions
from pipeline.run.run_folder import RunFolder
from pipeline.run.selection import ALL, Selection
from pipeline.run.summary import Summary, run_summary, stopped_summary
from pipeline.sources import Shard
from pipeline.stages.stage import Task
from pipeline.stages.write import WriteResult
from pipeline.storage.errors import UserError
from pipeline.storage.redact import redacted


def caption_archive(
    source: str,
    output: str,
    model: str,
    config: CaptionJobConfig,
    retry_errors: bool = False,
    selection: Selection = ALL,
    accept_changed: bool = False,
    say: Callable[[str], object] = lambda line: None,
    local: bool = False,
    budget: Budget | None = None,
) -> Summary:
    """Caption every image of `source`, or of what `selection` says of it, into `output`, or ask it questions,
    as the config's tasks say: on the Ray this process is connected to, or a new local one, or in this process
    (`local`). `say` is told what SOURCE is taken for.

    Continues where an earlier run with the same arguments stopped; with `accept_changed` also where SOURCE is
    not what that run was planned on. Ends early, with a summary that says so, after the chunk with which
    `budget` is spent. Raises UserError for what the user can put right and RunError where the run broke;
    either way, what is written stays.
    """
    start = time.monotonic()
    budget = budget or Budget()
    run = prepare_run(source, output, model, config, partial(_machine, local=local, say=say), say)
    folder, config, plan, pinned = run.folder, run.config, run.plan, run.pinned
    output, facts, stages, machine = run.stages.output, run.stages.facts, run.stages, run.machine
    budget.check(machine)
    planned, changes = as_planned(run, accept_changed, retry_errors)
    if pinned is None:
        selection.of(planned)  # one that selects none is refused before anything is written
        folder.begin(facts)
        planned = folder.pin(planned)
    elif changes:
        _accept(folder, planned, changes, say)
    in_plan = pinned if pinned is not None and not changes else folder.planned() or []
    store = prepare_store(folder, config, run.found, say)
    whole = within_limit(planned, config, folder)
    shards = selection.of(whole)
    stems = None if selection.is_all else {shard_file_stem(shard.id) for shard in shards}
    kept = folder.written(stems)
    retry_errors = retry_errors and kept.errors > 0
    missing = set(unfinished([shard.id for shard in shards], kept))
    if not missing and not retry_errors and (finished := _finished(folder, selection)):
        return finished
    if missing or retry_errors:
        folder.begin(facts, stems)
    if retry_errors:
        folder.remove_errors(stems)
        kept = folder.written(stems)
        missing = set(unfinished([shard.id for shard in shards], kept))
    work = [ShardWork(shard, kept.of_shard(shard.id).kept) for shard in shards if shard.id in missing]
    progress = Progress(
        shards=len(shards),
        rows=kept.rows,
        errors=kept.errors,
        chunks=kept.chunks,
        chunks_of_done_shards=sum(
            len(kept.of_shard(shard.id).positions) for shard in shards if shard.id not in missing
        ),
        shards_done=len(shards) - len(missing),
        rows_known=plan.images if selection.is_all and config.limit is None else None,
        written_before=kept.rows,
    )
    if work:
        with live_line(progress):
            limit = _caption(machine, stages, work, progress, budget)
        folder.check_plan(in_plan)
        if limit:
            return stopped_summary(output, limit, progress, time.monotonic() - start, plan.left_out)
    written = folder.remove_beyond_the_end(stems)
    seconds = time.monotonic() - start
    summary = run_summary(output, shards, written, progress, seconds, plan.left_out, config.tasks)
    summary = _finish(folder, selection, whole, summary, progress, seconds, config.tasks, store)
    folder.check_plan(in_plan)
    return summary


class CaptionMachine(Protocol):
    """Where a run computes: a Ray cluster, or this process."""

    @property
    def has_gpu(self) -> bool: ...

    @property
    def size(self) -> Size: ...

    def caption(
        self, stages: CaptionStages, work: Sequence[ShardWork], progress: Progress
    ) -> Iterator[WriteResult]:
        """Caption and write; yields each chunk's result as its file appears, and tells `progress` now and
        then how many rows were read. Raises RunError.
        """


def _caption(
    machine: CaptionMachine,
    stages: CaptionStages,
    work: Sequence[ShardWork],
    progress: Progress,
    budget: Budget,
) -> str | None:
    """Caption and write `work`. Returns the limit of `budget` that was reached before all of it was done."""
    if limit := budget.spent(machine):
        return limit
    for result in machine.caption(stages, work, progress):
        progress.add(result)
        log_written(
            chunk_file_name(result.shard, result.position), rows=result.rows, **result.measured.facts()
        )
        all_done = progress.shards_done == progress.shards
        all_done = all_done and progress.chunks == progress.chunks_of_done_shards
        limit = budget.spent(machine)
        progress.note_cost(budget.cost, budget.max_cost)
        if not all_done and limit:
            return limit  # what is under way is given up: a file is there whole or not at all
    return None


def _machine(config: CaptionJobConfig, local: bool, say: Callable[[str], object]) -> CaptionMachine:
    if local:
        from pipeline.execution.in_process import CaptionInProcess

        return CaptionInProcess()
    from pipeline.execution.ray_graph import CaptionOnRay

    return CaptionOnRay(config.resources, config.stages(), config.expected_gpus, say)


def _accept(
    folder: RunFolder,
    shards: list[Shard],
    changes: PlanChanges,
    say: Callable[[str], object],
) -> None:
    for line in changes.lines():
        say(f"accepted: {line}")
    if changes.removed:
        say(f"captions of what is gone are put aside in {redacted(folder.removed.url)}")
    folder.accept(shards, changes)


def _finish(
    folder: RunFolder,
    selection: Selection,
    whole: list[Shard],
    summary: Summary,
    progress: Progress,
    seconds: float,
    tasks: tuple[Task, ...],
    store: QuestionStore | None,
) -> Summary:
    """Mark the run as complete if all that it is planned on is there, by whichever commands."""
    if not selection.is_all:
        if not folder.may_hold_all_of(whole):
            return summary
        written = folder.written()
        if unfinished([shard.id for shard in whole], written):
            return summary
        all_of_it = run_summary(folder.top.url, whole, written, progress, seconds, summary.left_out, tasks)
        if folder.finished() is None:
            folder.finish(_with_unasked(all_of_it, folder, store).model_dump())
        return summary
    summary = _with_unasked(summary, folder, store)
    folder.finish(summary.model_dump())
    return summary


def _with_unasked(summary: Summary, folder: RunFolder, store: QuestionStore | None) -> Summary:
    """Raises UserError where nothing was asked: a run that did nothing is not to look as if it were done."""
    if store is None:
        if summary.questions == 0 and summary.rows > summary.errors:
            raise UserError(
                "no image was asked anything: the samples have no `questions` or `question` in their JSON or "
                "columns. Give --question or --questions, and another OUTPUT."
            )
        return summary
    return summary.model_copy(update={"unasked": unasked_questions(folder, store)})


def _finished(folder: RunFolder, selection: Selection) -> Summary | None:
    """What the finished run in `folder` said of itself, now without new rows."""
    if not selection.is_all:
        return None
    summary = folder.finished_summary(Summary)
    here = {"output": redacted(folder.top.url), "captions": redacted(folder.captions.url)}
    return summary.model_copy(update={**here, "new_rows": 0, "measured": {}}) if summary else None

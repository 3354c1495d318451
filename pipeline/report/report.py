"""One report, from a run folder to a page: count all rows, read those that are shown, draw, write."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maccap.config import Config
from pipeline.report.chosen_rows import places_shown, read_rows
from pipeline.report.evaluation import evaluation_section, find_evaluation
from pipeline.report.numbers import Numbers, read_numbers
from pipeline.report.page import PAGE_FILE, page
from pipeline.report.page_data import page_data
from pipeline.report.report_folder import report_folder
from pipeline.report.row_images import IMAGES, add_images
from pipeline.report.run_state import state_of
from pipeline.report.throughput import Throughput, measure_throughput, written_times
from pipeline.run.progress import Shown
from pipeline.run.run_folder import RUN_FILE, RunFolder, existing_run
from pipeline.storage.errors import UserError
from pipeline.storage.folder import reading
from pipeline.storage.redact import redacted
from pipeline.storage.urls import absolute, scheme


class ReportConfig(Config):
    """`images` random rows are shown, chosen by `seed`; with `regions`, where the model looked. `model`
    is where the run's model lies now, if elsewhere; `evaluation` a file of `maccap evaluate --output`.
    """

    images: int = 500
    seed: int = 0
    regions: bool = True
    model: str | None = None
    evaluation: str | None = None


class ReportSummary(Config):
    """What was written; the last line of the command."""

    page: str
    rows: int
    finished: bool
    shown: int
    pictured: int
    looked: int
    unreadable_files: int
    remarks: list[str]
    seconds: float


@dataclass
class ReportProgress:
    """How many rows have been counted so far, and then how many images read."""

    rows: int = 0
    images: int = 0
    images_wanted: int = 0

    def note_rows(self, numbers: Numbers) -> None:
        self.rows = numbers.rows

    def note_images(self, done: int, wanted: int) -> None:
        self.images, self.images_wanted = done, wanted

    def facts(self) -> dict[str, Any]:
        return dict(vars(self))

    def line(self) -> str:
        images = f"  {self.images:,} of {self.images_wanted:,} images read" if self.images_wanted else ""
        return f"{self.rows:,} rows counted{images}"


def write_report(
    run: str,
    folder: str | None,
    config: ReportConfig,
    show: Callable[[Shown], AbstractContextManager[None]] = lambda progress: nullcontext(),
) -> ReportSummary:
    """Write the report of `run`, finished or not, to `folder`; default: `report` in the run. `show` is
    entered as a context with how far it is. Raises UserError and RunError.
    """
    start = time.monotonic()
    target = _target(absolute(run).rstrip("/"), folder)
    run_folder, facts = existing_run(run)
    evaluation = find_evaluation(run_folder.top, config.evaluation)
    planned = run_folder.planned() or []
    state = state_of(run_folder, facts, planned)
    progress = ReportProgress()
    with report_folder(target) as new, show(progress):
        numbers = read_numbers(run_folder.captions, config.images, config.seed, progress.note_rows)
        rows = read_rows(run_folder.captions, numbers, places_shown(numbers))
        (new / IMAGES).mkdir()
        work = add_images(
            list(rows.values()),
            facts,
            planned,
            lambda name, data: (new / name).write_bytes(data),
            config.regions,
            config.model,
            progress.note_images,
        )
        throughput = _throughput(run_folder, numbers)
        data = page_data(run_folder.top.url, facts, state, numbers, throughput, rows, work)
        if evaluation is not None:
            data["sections"].append(evaluation_section(evaluation).to_json())
        (new / PAGE_FILE).write_text(page(data), "utf-8")
    return ReportSummary(
        page=str(target / PAGE_FILE),
        rows=numbers.rows,
        finished=state.finished,
        shown=len(rows),
        pictured=work.pictured,
        looked=work.looked,
        unreadable_files=len(numbers.unreadable),
        remarks=data["remarks"],
        seconds=round(time.monotonic() - start, 2),
    )


def _target(run: str, folder: str | None) -> Path:
    if folder is None and scheme(run):
        raise UserError(f"RUN {redacted(run)} is not on this machine: say with FOLDER where the report goes.")
    target = absolute(folder) if folder else f"{run}/report"
    if scheme(target):
        raise UserError(f"FOLDER {redacted(target)} is a URL. Name a folder of this machine.")
    return Path(target)


def _throughput(folder: RunFolder, numbers: Numbers) -> Throughput | None:
    with reading(folder.captions.url):
        times, began = written_times(folder.captions.url), written_times(folder.top.url).get(RUN_FILE)
    known = [
        (times[name], rows)
        for name, rows in zip(numbers.files, numbers.rows_per_file, strict=True)
        if name in times
    ]
    return measure_throughput([moment for moment, _ in known], [rows for _, rows in known], began)

"""All that the page shows, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pipeline.report.blocks import Headline
from pipeline.report.chosen_rows import ShownRow
from pipeline.report.gallery import gallery_json
from pipeline.report.lowest_keys import Place
from pipeline.report.numbers import Numbers
from pipeline.report.row_images import ImageWork
from pipeline.report.run_state import RunState, settings_of
from pipeline.report.sections import duration, percent, sections
from pipeline.report.throughput import Throughput
from pipeline.run.facts import RunFacts
from pipeline.storage.redact import shown


def page_data(
    url: str,
    facts: RunFacts,
    state: RunState,
    numbers: Numbers,
    throughput: Throughput | None,
    rows: Mapping[Place, ShownRow],
    work: ImageWork,
) -> dict[str, Any]:
    """Of the run at `url`; `rows` are the gallery, in its order."""
    random_rows = len(set(numbers.sample.places) & rows.keys())
    remarks = [*work.remarks]
    if numbers.unreadable:
        remarks.append(
            "Files of the table that could not be read, and are not counted: "
            f"{len(numbers.unreadable):,}, such as {numbers.unreadable[0]}. maccap verify says what to do."
        )
    return {
        "title": shown(url).rstrip("/").rsplit("/", 1)[-1],
        "run": shown(url),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "finished": state.finished,
        "progress": f"{_progress(state, numbers)}. {_source(facts)}",
        "fraction": None
        if state.finished or not state.rows_expected
        else min(1.0, round(numbers.rows / state.rows_expected, 4)),
        "headline": [asdict(number) for number in _headline(numbers, throughput, state)],
        "remarks": remarks,
        "settings": list(settings_of(facts, numbers)),
        "sections": [section.to_json() for section in sections(numbers, throughput, rows)],
        "sample": _sample(random_rows, len(rows), numbers.rows),
        "rows": gallery_json(list(rows.values()), random_rows),
    }


def _progress(state: RunState, numbers: Numbers) -> str:
    if state.finished:
        return "Finished"
    expected = f" of about {state.rows_expected:,}" if state.rows_expected else ""
    return (
        f"Not finished: {numbers.rows:,}{expected} images, {state.shards_done:,} of {state.shards:,} shards"
    )


def _sample(random_rows: int, gallery: int, rows: int) -> str:
    if random_rows == rows:
        return f"All {rows:,} images of the run."
    others = gallery - random_rows
    beside = f", and {others:,} more for their scores or errors" if others else ""
    return f"A random sample: {random_rows:,} of {rows:,} images{beside}. All other numbers are of all rows."


def _headline(numbers: Numbers, throughput: Throughput | None, state: RunState) -> list[Headline]:
    found = [Headline(f"{numbers.rows:,}", "images", "" if state.finished else "so far")]
    if "caption" in numbers.columns:
        about = percent(numbers.captioned, numbers.rows)
        found.append(Headline(f"{numbers.captioned:,}", "captions", about))
    if numbers.answers.asked:
        found.append(
            Headline(f"{numbers.answers.answered:,}", "answers", f"to {numbers.answers.asked:,} questions")
        )
    found.append(Headline(f"{numbers.errors:,}", "errors", percent(numbers.errors, numbers.rows)))
    if (mean := numbers.scores.mean) is not None:
        found.append(Headline(f"{mean:.3f}", "mean CLIP score", "cosine with the image"))
    if (length := numbers.words.mean) is not None:
        found.append(Headline(f"{length:.1f}", "words per caption", "mean"))
    if numbers.captioned:
        copies = numbers.duplicates.near
        distinct = percent(numbers.captioned - copies, numbers.captioned)
        found.append(Headline(distinct, "distinct captions", f"{copies:,} with another's words"))
    if numbers.own_captions:
        found.append(Headline(f"{numbers.own_captions:,}", "original captions", "came with images"))
    if throughput is not None:
        rate, took = numbers.rows / throughput.seconds, duration(throughput.seconds)
        found.append(Headline(f"{rate:,.1f}", "images per second", f"over {took}"))
    return found


def _source(facts: RunFacts) -> str:
    """What was captioned, and by which model."""
    model = shown(facts.model).rstrip("/").rsplit("/", 1)[-1]
    return f"{facts.taken_for or shown(facts.source)}, by the model {model}"

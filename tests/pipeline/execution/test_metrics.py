"""What Ray is given of a run; for export_metrics.py too. tests/infra/test_monitoring.py scrapes it."""

from collections import defaultdict
from typing import Any

import pytest
import ray.util.metrics as of_ray

from pipeline.execution.export_metrics import ExportedMetrics
from pipeline.execution.metrics import METRICS
from pipeline.run.progress import Progress
from pipeline.stages.measured import Measured
from pipeline.stages.write import WriteResult

Values = dict[tuple[str, ...], list[float]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Values:
    """What is recorded, by name and tags."""
    values: Values = defaultdict(list)

    def record(self: of_ray.Metric, value: float, tags: dict[str, str]) -> None:
        assert set(self.info["tag_keys"]) == set(tags)
        values[(str(self.info["name"]), *tags.values())].append(value)

    monkeypatch.setattr(of_ray.Metric, "_record", record)
    return values


def test_a_chunk_is_counted_once_in_each_metric(told: Values) -> None:
    measured = Measured({"decode": 2.0, "write": 0.5}, {"damaged image": 1}, {"0.25": 2}, 9, 0)
    ExportedMetrics("a").note_result(WriteResult("s", 0, True, 3, 1, 100, 0.5, measured))
    assert dict(told) == {
        ("maccap_rows", "a"): [3],
        ("maccap_chunks", "a"): [1],
        ("maccap_written_bytes", "a"): [100],
        ("maccap_tokens", "a"): [9],
        ("maccap_errors", "a", "damaged image"): [1],
        ("maccap_chunk_rows", "a"): [3],
        ("maccap_stage_seconds", "a", "decode"): [2.0],
        ("maccap_stage_seconds", "a", "write"): [0.5],
        ("maccap_clip_score", "a"): [0.25, 0.25],
    }


def test_tags_are_ascii_whatever_a_run_or_an_error_is_called(told: Values) -> None:
    measured = Measured({}, {"cannot read …": 1}, {}, 0, 0)
    ExportedMetrics("写真").note_result(WriteResult("s", 0, True, 1, 1, 1, 0.5, measured))
    assert told[("maccap_errors", r"\u5199\u771f", "cannot read ...")] == [1]


def test_what_is_unknown_is_not_told_and_a_stage_that_stops_is_at_zero(told: Values) -> None:
    exported, progress = ExportedMetrics("a"), Progress(shards=2, rows=4)
    exported.note_progress(progress, {"decode": 2})
    exported.note_progress(progress, {"write": 1})
    assert told[("maccap_working", "a", "decode")] == [2, 0]
    assert told[("maccap_working", "a", "write")] == [1]
    assert told[("maccap_rows_done", "a")] == [4, 4]
    known: dict[str, Any] = {name: values for (name, *_), values in told.items()}
    assert not any("cost" in name or "expected" in name for name in known)


def test_all_are_recorded_by_a_run_with_everything(told: Values) -> None:
    exported, progress = ExportedMetrics("a"), Progress(shards=2, rows_known=6)
    result = WriteResult("s", 0, True, 3, 1, 9, 1.0, Measured({"read": 1.0}, {"x": 1}, {"0.30": 1}, 5, 2))
    progress.add(result)
    progress.note_cost(1.0, 5.0)
    exported.note_result(result)
    exported.note_progress(progress, {"read": 1})
    assert {name for name, *_ in told} == {one.name for one in METRICS}
    assert told[("maccap_projected_cost_dollars", "a")] == [2.0]

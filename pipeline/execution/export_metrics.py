"""Gives the metrics of a run to Ray, which exports them where its metrics agent runs."""

import unicodedata
from collections.abc import Mapping

import ray.util.metrics as of_ray

from pipeline.execution import metrics
from pipeline.execution.metrics import METRICS, RunMetric
from pipeline.run.progress import Progress
from pipeline.stages.write import WriteResult


class ExportedMetrics:
    """The metrics of `run`, in the driver. A call costs some microseconds, whether anyone scrapes or not."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._counters = {one: _counter(one) for one in METRICS if one.kind == "counter"}
        self._gauges = {one: _gauge(one) for one in METRICS if one.kind == "gauge"}
        self._histograms = {one: _histogram(one) for one in METRICS if one.kind == "histogram"}
        self._stages: set[str] = set()

    def note_result(self, result: WriteResult) -> None:
        """Count a chunk that was written."""
        measured = result.measured
        self._count(metrics.ROWS, result.rows)
        self._count(metrics.CHUNKS, 1)
        self._count(metrics.WRITTEN_BYTES, result.bytes)
        self._count(metrics.TOKENS, measured.tokens)
        self._count(metrics.RETRIES, measured.retries)
        for kind, count in measured.errors.items():
            self._count(metrics.ERRORS, count, kind=kind)
        self._observe(metrics.CHUNK_ROWS, result.rows)
        for stage, seconds in measured.seconds.items():
            self._observe(metrics.STAGE_SECONDS, seconds, stage=stage)
        for score, count in measured.scores.items():
            for _ in range(count):  # Ray's histograms take one at a time
                self._observe(metrics.CLIP_SCORE, float(score))

    def note_progress(self, progress: Progress, working: Mapping[str, int]) -> None:
        """Tell how far the run is, and how many workers are at each stage. Of gauges that are not told again
        within twice its interval (10 s) Ray forgets the value.
        """
        self._set(metrics.ROWS_DONE, progress.rows)
        self._set(metrics.ROWS_EXPECTED, progress.rows_expected)
        self._set(metrics.ROWS_READ, progress.rows_read)
        self._set(metrics.SHARDS, progress.shards)
        self._set(metrics.SHARDS_DONE, progress.shards_done)
        self._set(metrics.LEFT_SECONDS, progress.seconds_left)
        self._set(metrics.MOVED, progress.moved_at)
        self._set(metrics.COST, progress.cost)
        self._set(metrics.PROJECTED_COST, progress.projected_cost)
        self._set(metrics.MAX_COST, progress.max_cost)
        self._stages |= working.keys()
        for stage in self._stages:
            self._set(metrics.WORKING, working.get(stage, 0), stage=stage)

    def _count(self, metric: RunMetric, by: float, **tags: str) -> None:
        if by > 0:  # Ray takes no other
            self._counters[metric].inc(by, self._tags(tags))

    def _set(self, metric: RunMetric, value: float | None, **tags: str) -> None:
        self._gauges[metric].set(value, self._tags(tags))

    def _tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Ray's are ASCII."""
        told = {"run": self._run, **tags}
        plain = {name: unicodedata.normalize("NFKD", value) for name, value in told.items()}
        return {name: value.encode("ascii", "backslashreplace").decode() for name, value in plain.items()}

    def _observe(self, metric: RunMetric, value: float, **tags: str) -> None:
        self._histograms[metric].observe(value, self._tags(tags))


def _counter(metric: RunMetric) -> of_ray.Counter:
    return of_ray.Counter(metric.name, metric.about, metric.tags)


def _gauge(metric: RunMetric) -> of_ray.Gauge:
    return of_ray.Gauge(metric.name, metric.about, metric.tags)


def _histogram(metric: RunMetric) -> of_ray.Histogram:
    return of_ray.Histogram(metric.name, metric.about, list(metric.buckets), metric.tags)

"""What is measured of a chunk on its way from source to sink: for progress, metrics and `summary.json`.

It travels with the chunk, as metadata of its samples, and arrives with its write result. So a chunk that is
done twice counts once, workers export nothing of their own, and a run without Ray measures the same. Nothing
of it reaches the caption table.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import pyarrow as pa

from pipeline.chunk import Chunk
from pipeline.stages.error_kind import OTHERS, kind_of
from pipeline.stages.stage import Stage
from pipeline.stages.steps import Step
from pipeline.storage.retries import storage

_KEY = b"maccap.measured"
_MOST_KINDS = 30  # of errors that are told apart


@dataclass
class Measured:
    """Of one chunk, or the sum of several: seconds by stage, `read` and `write` included, rows by kind of
    error, captions by CLIP score (rounded to hundredths, the keys), tokens that the language model wrote, and
    requests to a storage that were tried again.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    retries: int = 0

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls(**json.loads(text))

    @classmethod
    def of_rows(cls, table: pa.Table) -> Self:
        """What the rows themselves tell, as they are written."""
        measured = cls()
        for error in table["error"].drop_null().to_pylist():
            measured._add_error(kind_of(error), 1)
        if "clip_score" in table.column_names:
            for score in table["clip_score"].drop_null().to_pylist():
                key = f"{score:.2f}"
                measured.scores[key] = measured.scores.get(key, 0) + 1
        return measured

    def __add__(self, other: Self) -> Self:
        done = type(self)(tokens=self.tokens + other.tokens, retries=self.retries + other.retries)
        done.seconds = _sums(self.seconds, other.seconds)
        done.scores = _sums(self.scores, other.scores)
        done.errors = dict(self.errors)
        for kind, count in other.errors.items():
            done._add_error(kind, count)
        return done

    @property
    def mean_score(self) -> float | None:
        """Of CLIP, over all captions; None where there is none."""
        captions = sum(self.scores.values())
        return (
            sum(float(score) * count for score, count in self.scores.items()) / captions if captions else None
        )

    def facts(self) -> dict[str, Any]:
        """As a summary says it: seconds are those of all workers together."""
        score = self.mean_score
        return {
            "stage_seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
            "errors": dict(sorted(self.errors.items())),
            "mean_clip_score": None if score is None else round(score, 4),
            "tokens": self.tokens,
            "storage_retries": self.retries,
        }

    def _add_error(self, kind: str, count: int) -> None:
        """Errors quote what they were given: of their kinds only so many are told apart."""
        if kind not in self.errors and len(self.errors) >= _MOST_KINDS:
            kind = OTHERS
        self.errors[kind] = self.errors.get(kind, 0) + count


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._start, self._retries = time.perf_counter(), _retries()

    def stop(self, stage: str) -> Measured:
        """The time since then, as that of `stage`, and what this process tried again meanwhile."""
        return Measured({stage: time.perf_counter() - self._start}, retries=_retries() - self._retries)


def measured_of(samples: pa.Table) -> Measured:
    """What was noted of them so far."""
    noted = (samples.schema.metadata or {}).get(_KEY)
    return Measured.from_json(noted) if noted else Measured()


def with_measured(samples: pa.Table, measured: Measured) -> pa.Table:
    """`samples`, with this noted of them in place of what was."""
    metadata = {**(samples.schema.metadata or {}), _KEY: json.dumps(asdict(measured)).encode()}
    return samples.replace_schema_metadata(metadata)


def run_measured(step: Step, stage: Stage, samples: pa.Table) -> pa.Table:
    """As `step.run`; its time, and what the stage itself noted, is added to what was noted before."""
    before, watch = measured_of(samples), Stopwatch()
    done = step.run(stage, with_measured(samples, Measured()))
    return with_measured(done, before + measured_of(done) + watch.stop(step.stage.name))


def read_measured(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """`chunks`, each with the time that its reading took."""
    while True:
        watch = Stopwatch()
        if (chunk := next(chunks, None)) is None:
            return
        yield chunk.with_samples(with_measured(chunk.samples, watch.stop("read")))


def _retries() -> int:
    return storage.tried_again


def _sums(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}

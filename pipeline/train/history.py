"""The figures of every step and evaluation: a file for the steps between two checkpoints, written before the
second one. What a killed run wrote beyond its last checkpoint is removed, so that no step is there twice.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel

from pipeline.storage.folder import Folder

_NAME = re.compile(r"steps-(\d+)-(\d+)\.jsonl")


class Reconstruction(BaseModel):
    """A held-out caption, and what the model writes from its noisy text feature, greedily."""

    caption: str
    written: str


class HeldOut(BaseModel):
    """One evaluation."""

    loss: float  # nats per text token
    accuracy: float  # fraction of text tokens
    samples: list[Reconstruction]


class StepRecord(BaseModel):
    """Step number `step`, counted from 1, and the evaluation after it, if there was one."""

    step: int
    loss: float
    accuracy: float
    learning_rate: float
    time: float  # when it was done, in seconds since 1970
    held_out: HeldOut | None = None


class History:
    """OUTPUT/metrics."""

    def __init__(self, output: str) -> None:
        self._folder = Folder(f"{output}/metrics")

    def write(self, records: Sequence[StepRecord]) -> None:
        """The steps since the last write."""
        self._folder.make()
        lines = "".join(record.model_dump_json(exclude_none=True) + "\n" for record in records)
        self._folder.write(f"steps-{records[0].step:09d}-{records[-1].step:09d}.jsonl", lines.encode())

    def back_to(self, step: int) -> None:
        """Remove what lies beyond `step`, and what a killed writer left half written."""
        self._folder.remove_temporaries()
        for name in self._names():
            if _last(name) > step:
                self._folder.remove(name)

    def read(self) -> list[StepRecord]:
        """All steps, in order."""
        lines = (line for name in self._names() for line in (self._folder.read(name) or b"").splitlines())
        return [StepRecord.model_validate_json(line) for line in lines]

    def _names(self) -> list[str]:
        return [name for name in self._folder.names() if _NAME.fullmatch(name)]


def _last(name: str) -> int:
    match = _NAME.fullmatch(name)
    return int(match[2]) if match else 0

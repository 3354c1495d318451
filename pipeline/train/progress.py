"""How far a training run is, for the live line."""

import time
from dataclasses import dataclass, field
from typing import Any

from pipeline.run.progress import clock
from pipeline.train.history import HeldOut, StepRecord


@dataclass
class EncodeProgress:
    """Of the feature cache."""

    captions: int
    done: int = 0
    done_before: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, captions: int) -> None:
        self.done += captions

    @property
    def captions_per_second(self) -> float:
        return (self.done - self.done_before) / max(1e-9, time.monotonic() - self.started)

    def facts(self) -> dict[str, Any]:
        return {
            "stage": "encode",
            "captions": self.captions,
            "done": self.done,
            "captions_per_second": round(self.captions_per_second, 1),
        }

    def line(self) -> str:
        return (
            f"encoding with CLIP  {self.done:,} of {self.captions:,} captions  "
            f"{self.captions_per_second:,.0f} captions/s"
        )


@dataclass
class TrainProgress:
    """Of the steps. What an earlier run did does not count as speed."""

    steps: int
    batch: int
    last: StepRecord | None = None
    held_out: HeldOut | None = None
    first_step: int | None = None
    started: float = 0.0

    def add(self, record: StepRecord) -> None:
        if self.first_step is None or (self.last and record.step <= self.last.step):  # a worker was lost
            self.first_step, self.started = record.step, time.monotonic()
        self.last = record
        self.held_out = record.held_out or self.held_out

    @property
    def steps_per_second(self) -> float:
        """Since the first step was done."""
        if self.last is None or self.first_step is None:
            return 0.0
        return (self.last.step - self.first_step) / max(1e-9, time.monotonic() - self.started)

    @property
    def captions_per_second(self) -> float:
        return self.steps_per_second * self.batch

    @property
    def seconds_left(self) -> float | None:
        if self.last is None or not self.steps_per_second:
            return None
        return (self.steps - self.last.step) / self.steps_per_second

    def facts(self) -> dict[str, Any]:
        left = self.seconds_left
        figures = self.last.model_dump(exclude={"held_out", "time"}) if self.last else {"step": 0}
        held_out = {"loss": self.held_out.loss, "accuracy": self.held_out.accuracy} if self.held_out else None
        return {
            "stage": "train",
            "steps": self.steps,
            **figures,
            "held_out": held_out,
            "captions_per_second": round(self.captions_per_second, 1),
            "seconds_left": None if left is None else round(left),
        }

    def line(self) -> str:
        if self.last is None:
            return "loading the language model"
        parts = [
            f"step {self.last.step:,} of {self.steps:,}",
            f"loss {self.last.loss:.3f}",
            f"accuracy {self.last.accuracy:.1%}",
        ]
        if self.held_out:
            parts.append(f"held out {self.held_out.loss:.3f}, {self.held_out.accuracy:.1%}")
        parts.append(f"{self.captions_per_second:,.0f} captions/s")
        if self.seconds_left is not None:
            parts.append(f"{clock(self.seconds_left)} left")
        return "  ".join(parts)

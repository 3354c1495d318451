"""OUTPUT of a training run: first the record of what it was begun with, at its end a model bundle.

train.json                     first: captions, models and settings
metrics/*.jsonl                figures of every step and evaluation
checkpoints/*.safetensors      the last two, until the run is finished
noise.safetensors              the covariance of noise that is not the same in every direction
tensorboard/, training.png     the same figures, to look at
adaptor.safetensors, config.json, clip/, llm/   the bundle
summary.json, _SUCCESS         last
"""

from contextlib import suppress
from typing import Any

from pipeline.run.record import RunRecord
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe
from pipeline.train.facts import TrainFacts

FACTS_FILE = "train.json"


class TrainFolder(RunRecord[TrainFacts]):
    """OUTPUT of a training run: a folder at a path or fsspec URL."""

    def __init__(self, url: str) -> None:
        super().__init__(url, FACTS_FILE, TrainFacts, "training run")

    def begin(self, facts: TrainFacts) -> None:
        super().begin(facts)
        try:
            # but for the record, which another command may be writing now
            self.top.remove_temporaries(lambda name: name != FACTS_FILE)
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {describe(error)}") from None

    def finish(self, summary: dict[str, Any]) -> None:
        with suppress(OSError):  # what matters is written below
            self.top.remove_temporaries()
        super().finish(summary)

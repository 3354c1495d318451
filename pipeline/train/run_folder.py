"""OUTPUT of a training run: first the record of what it was begun with, at its end a model bundle.

train.json                     first: captions, models and settings
metrics/*.jsonl                figures of every step and evaluation
checkpoints/*.safetensors      the last two, until the run is finished
tensorboard/, training.png     the same figures, to look at
adaptor.safetensors, config.json, clip/, llm/   the bundle
summary.json, _SUCCESS         last
"""

import json
from typing import Any

from pydantic import ValidationError

from pipeline.run.run_folder import SUCCESS_FILE, SUMMARY_FILE, differing
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder
from pipeline.storage.redact import describe
from pipeline.train.facts import MAY_DIFFER, TrainFacts

FACTS_FILE = "train.json"


class TrainFolder:
    """OUTPUT: a folder at a path or fsspec URL. Raises UserError for a URL that cannot be opened."""

    def __init__(self, url: str) -> None:
        try:
            self.top = Folder(url)
        except (ImportError, ValueError, OSError) as error:
            raise UserError(f"OUTPUT {url} cannot be opened: {describe(error)}") from None

    def recorded(self) -> TrainFacts | None:
        """The facts of the run here, None for a new folder. Raises UserError for any other folder."""
        url = self.top.url
        try:
            raw = self.top.read(FACTS_FILE)
            if raw is not None:
                return TrainFacts.model_validate_json(raw)
            if any(not name.startswith(".") for name in self.top.names()):
                raise UserError(
                    f"OUTPUT {url} is not empty and holds no {FACTS_FILE}. Choose a new or an empty folder."
                )
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{url}/{FACTS_FILE} is not a training run this version can read "
                f"({'.'.join(map(str, first['loc']))}: {first['msg']}). Choose another OUTPUT."
            ) from None
        except OSError as error:
            raise UserError(f"OUTPUT {url} cannot be opened: {describe(error)}") from None
        return None

    def check(self, facts: TrainFacts) -> None:
        """Raises UserError naming what differs where the run here is not of `facts`."""
        recorded = self.recorded()
        if recorded is not None and (differences := differing(recorded, facts, MAY_DIFFER)):
            raise UserError(
                f"OUTPUT {self.top.url} holds a training run with other captions, models or settings:\n  "
                + "\n  ".join(differences)
                + "\nRepeat the command with the old ones to go on with that run, or choose another OUTPUT."
            )

    def begin(self, facts: TrainFacts) -> None:
        """Record a new run, or open the one here again if it is of `facts`. Raises UserError.

        Of several commands that begin at once in one new folder, those with the settings of the first go on.
        """
        try:
            self.top.make()
            # but for the record, which another command may be writing now
            self.top.remove_temporaries(lambda name: name != FACTS_FILE)
            self.top.create(FACTS_FILE, (facts.model_dump_json(indent=2) + "\n").encode())
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {describe(error)}") from None
        self.check(facts)

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary, and then the marker that the run is complete. Raises RunError."""
        try:
            self.top.remove_temporaries()
            self.top.write(SUMMARY_FILE, (json.dumps(summary, indent=2) + "\n").encode())
            self.top.write(SUCCESS_FILE, b"")
        except OSError as error:
            raise RunError(
                f"the bundle is written, but {self.top.url}/{SUMMARY_FILE} is not: {describe(error)}. "
                "Put that right and start the same command again: it will only finish."
            ) from None

    def finished(self) -> bytes | None:
        """The summary of the run here if it is marked complete."""
        return self.top.read(SUMMARY_FILE) if self.top.read(SUCCESS_FILE) is not None else None

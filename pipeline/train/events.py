"""TensorBoard event files in OUTPUT/tensorboard, one for the steps between two checkpoints.

TensorBoard reads a folder's files in the order of their names. Written whole, they never repeat a step, and
an object store can hold them. Without tensorboardX, an extra of the package, none is written.
"""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.storage.folder import Folder
from pipeline.train.history import HeldOut, StepRecord

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)\.maccap")


class Events:
    """OUTPUT/tensorboard."""

    def __init__(self, output: str) -> None:
        self._folder = Folder(f"{output}/tensorboard")

    def write(self, records: Sequence[StepRecord]) -> None:
        """The steps since the last write."""
        if find_spec("tensorboardX") is None:
            return
        from tensorboardX import SummaryWriter

        with TemporaryDirectory() as folder:
            with SummaryWriter(folder) as writer:
                for record in records:
                    _add(writer, record)
            (file,) = Path(folder).iterdir()
            self._folder.make()
            self._folder.write(f"events.out.tfevents.{records[-1].step:09d}.maccap", file.read_bytes())

    def back_to(self, step: int) -> None:
        """Remove what lies beyond `step`, and what a killed writer left half written."""
        self._folder.remove_temporaries()
        for name in self._folder.names():
            if (match := _NAME.fullmatch(name)) and int(match[1]) > step:
                self._folder.remove(name)


def _add(writer: "SummaryWriter", record: StepRecord) -> None:
    figures = {
        "training/loss": record.loss,
        "training/accuracy": record.accuracy,
        "training/learning_rate": record.learning_rate,
    }
    if record.held_out:
        figures |= {
            "held_out/loss": record.held_out.loss,
            "held_out/accuracy": record.held_out.accuracy,
        }
    for tag, value in figures.items():
        writer.add_scalar(tag, value, record.step, record.time)
    if record.held_out and record.held_out.samples:
        writer.add_text("held_out/samples", _samples(record.held_out), record.step, record.time)


def _samples(evaluation: HeldOut) -> str:
    rows = [f"| {_cell(s.caption)} | {_cell(s.written)} |" for s in evaluation.samples]
    return "\n".join(["| held out | written back |", "|---|---|", *rows])


def _cell(caption: str) -> str:
    return caption.replace("|", "\\|")

"""TensorBoard event files in OUTPUT/tensorboard, one for the steps between two checkpoints.

TensorBoard reads a folder's files in the order of their names. Written whole, they never repeat a step, and
an object store can hold them.
"""

import re
import struct
from collections.abc import Iterator, Sequence

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar, text

from pipeline.storage.folder import Folder
from pipeline.train.history import HeldOut, StepRecord

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)\.maccap")


class Events:
    """OUTPUT/tensorboard."""

    def __init__(self, output: str) -> None:
        self._folder = Folder(f"{output}/tensorboard")

    def write(self, records: Sequence[StepRecord]) -> None:
        """The steps since the last write."""
        self._folder.make()
        events = [Event(wall_time=records[0].time, file_version="brain.Event:2")]
        events += [event for record in records for event in _events(record)]
        data = b"".join(_framed(event.SerializeToString()) for event in events)
        self._folder.write(f"events.out.tfevents.{records[-1].step:09d}.maccap", data)

    def back_to(self, step: int) -> None:
        """Remove what lies beyond `step`, and what a killed writer left half written."""
        self._folder.remove_temporaries()
        for name in self._folder.names():
            if (match := _NAME.fullmatch(name)) and int(match[1]) > step:
                self._folder.remove(name)


def _events(record: StepRecord) -> Iterator[Event]:
    figures = {
        "training/loss": record.loss,
        "training/accuracy": record.accuracy,
        "training/learning_rate": record.learning_rate,
    }
    summaries = [scalar(tag, value) for tag, value in figures.items()]
    if record.held_out:
        summaries += _held_out(record.held_out)
    for summary in summaries:
        yield Event(wall_time=record.time, step=record.step, summary=summary)


def _held_out(evaluation: HeldOut) -> Iterator[object]:
    yield scalar("held_out/loss", evaluation.loss)
    yield scalar("held_out/accuracy", evaluation.accuracy)
    if evaluation.samples:
        rows = [f"| {_cell(s.caption)} | {_cell(s.written)} |" for s in evaluation.samples]
        yield text("held_out/samples", "\n".join(["| held out | written back |", "|---|---|", *rows]))


def _cell(caption: str) -> str:
    return caption.replace("|", "\\|")


def _framed(data: bytes) -> bytes:
    """A record of a TFRecord file: length, its checksum, data, its checksum."""
    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + sums[0] + data + sums[1]

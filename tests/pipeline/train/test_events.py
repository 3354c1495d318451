import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from pipeline.train.events import Events
from tests.pipeline.train.test_history import records


def _read(path: Path) -> list[Event]:
    """The events of a TFRecord file, checksums checked."""
    data, events = path.read_bytes(), []
    while data:
        length = struct.unpack("<Q", data[:8])[0]
        body = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc32c(body)
        events.append(Event.FromString(body))
        data = data[16 + length :]
    return events


def test_tensorboard_finds_every_figure_once(tmp_path: Path) -> None:
    events = Events(str(tmp_path))
    events.write(records(1, 4))
    events.write(records(5, 8))
    events.back_to(4)
    events.write(records(5, 6))
    files = sorted((tmp_path / "tensorboard").iterdir())
    assert len(files) == 2
    assert all(path.name.startswith("events.out.tfevents.") for path in files)
    found = [event for path in files for event in _read(path)]
    assert found[0].file_version == "brain.Event:2"
    losses = [
        (event.step, value.simple_value)
        for event in found
        for value in event.summary.value
        if value.tag == "training/loss"
    ]
    assert [step for step, _ in losses] == [1, 2, 3, 4, 5, 6]
    assert losses[1][1] == 1.0
    tags = {value.tag for event in found for value in event.summary.value}
    assert {"training/learning_rate", "training/accuracy", "held_out/loss", "held_out/accuracy"} < tags
    (samples,) = [
        value.tensor.string_val[0].decode()
        for event in found
        for value in event.summary.value
        if value.tag.startswith("held_out/samples")
    ]
    assert r"| a dog \| cat | $5 cat_ |" in samples

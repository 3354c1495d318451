from pathlib import Path

from pipeline.train.history import HeldOut, History, Reconstruction, StepRecord


def records(first: int, last: int) -> list[StepRecord]:
    """Steps `first` to `last`, an evaluation after every fourth."""
    samples = [Reconstruction(caption="a dog | cat", written="$5 cat_")]
    evaluation = HeldOut(loss=1.5, accuracy=0.5, samples=samples)
    return [
        StepRecord(
            step=step,
            loss=2.0 / step,
            accuracy=0.1,
            learning_rate=1e-4,
            time=1000.0 + step,
            held_out=None if step % 4 else evaluation,
        )
        for step in range(first, last + 1)
    ]


def test_steps_are_read_as_they_were_written(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    assert history.read() == []
    history.write(records(1, 6))
    history.write(records(7, 12))
    assert history.read() == records(1, 12)


def test_what_lies_beyond_a_checkpoint_is_forgotten(tmp_path: Path) -> None:
    history = History(str(tmp_path))
    for first in (1, 7, 13):
        history.write(records(first, first + 5))
    history.back_to(12)
    assert history.read() == records(1, 12)
    history.write(records(13, 15))
    assert history.read() == records(1, 15)

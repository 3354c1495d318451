"""The loop in this process: what a stop and a crash leave behind, and what a resume makes of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.train.checkpoint import Checkpoints
from pipeline.train.history import History, StepRecord
from pipeline.train.loop import train
from pipeline.train.work import TrainingWork

MakeWork = Callable[[Path], TrainingWork]


def _run(work: TrainingWork, observe: Callable[[StepRecord], bool] = lambda record: False) -> bool:
    return train(work, TorchRuntime(), observe)


def _figures(work: TrainingWork) -> list[dict]:
    return [record.model_dump(exclude={"time"}) for record in History(work.output).read()]


def _weights(work: TrainingWork) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoints(work.output, work.facts.run).latest()
    assert checkpoint is not None
    return checkpoint.state


@pytest.fixture
def through(make_work: MakeWork, tmp_path: Path) -> TrainingWork:
    """A run that nothing interrupted."""
    work = make_work(tmp_path / "through")
    assert _run(work)
    return work


def test_every_step_is_recorded_and_held_out_text_is_written_back(through: TrainingWork) -> None:
    records = History(through.output).read()
    assert [record.step for record in records] == list(range(1, 13))
    assert [record.step for record in records if record.held_out] == [3, 6, 9, 12]
    evaluation = records[-1].held_out
    assert evaluation is not None
    assert len(evaluation.samples) == 2
    assert all(sample.caption for sample in evaluation.samples)
    assert records[0].learning_rate == pytest.approx(1e-5)
    assert records[-1].loss < records[0].loss


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    through: TrainingWork, make_work: MakeWork, tmp_path: Path
) -> None:
    work = make_work(tmp_path / "stopped")
    assert not _run(work, lambda record: record.step == 5)
    assert len(_figures(work)) == 5
    assert _run(work)
    _assert_the_same(work, through)


def test_steps_after_the_last_checkpoint_are_taken_again(
    through: TrainingWork, make_work: MakeWork, tmp_path: Path
) -> None:
    def die(record: StepRecord) -> bool:
        if record.step == 11:
            raise MemoryError
        return False

    work = make_work(tmp_path / "died")
    with pytest.raises(MemoryError):
        _run(work, die)
    # killed while it wrote: the steps to 12 are there, their checkpoint is cut short
    History(work.output).write(History(through.output).read()[8:])
    broken = Path(work.output) / "checkpoints" / "step-000000012.safetensors"
    broken.write_bytes(b"{")
    seen: list[int] = []
    assert _run(work, lambda record: bool(seen.append(record.step)))
    assert seen == [9, 10, 11, 12]
    _assert_the_same(work, through)


def test_a_run_that_has_taken_its_last_step_takes_no_more(through: TrainingWork) -> None:
    before = _figures(through)
    assert _run(through, lambda record: pytest.fail("a step was taken"))
    assert _figures(through) == before


def _assert_the_same(work: TrainingWork, other: TrainingWork) -> None:
    assert _figures(work) == _figures(other)
    mine, others = _weights(work), _weights(other)
    assert mine.keys() == others.keys()
    assert all(torch.equal(mine[name], others[name]) for name in mine)

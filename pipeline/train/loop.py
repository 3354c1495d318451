"""The steps of a run, with evaluations and checkpoints between them, in one process or in each of several."""

import math
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch

from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.redact import describe
from pipeline.train.checkpoint import Checkpoint, Checkpoints
from pipeline.train.events import Events
from pipeline.train.history import History, StepRecord
from pipeline.train.work import Trainee, TrainingWork

Observe = Callable[[StepRecord], bool]
"""Is told of each step, and answers whether to stop after it."""


def train(work: TrainingWork, runtime: TorchRuntime, observe: Observe, rank: int = 0, world: int = 1) -> bool:
    """Take the steps that are left, from the last checkpoint on; whether the last one is now done.

    With `world` > 1 torch.distributed runs, and every process calls this with its `rank`; the first one
    (rank 0) alone observes and writes. Raises UserError.
    """
    trainee = Trainee(work, runtime, rank, world)
    trainer, steps = trainee.trainer, work.facts.training.steps
    recorder = _Recorder(work, trainee) if rank == 0 else None
    step = _resume(work, trainee, world)
    if recorder:
        recorder.back_to(step)
    while step < steps:
        learning_rate = trainer.learning_rate(step)
        figures = trainer.train_step(step)
        step += 1
        if not math.isfinite(figures.loss):
            raise UserError(f"the loss is {figures.loss} at step {step}; lower training.learning_rate")
        last = step == steps
        record = StepRecord(step=step, learning_rate=learning_rate, time=time.time(), **figures._asdict())
        if last or step % work.evaluate_every == 0:
            record.held_out = trainee.evaluate(with_samples=rank == 0)
        stop = _agree(observe(record) if recorder else False, world, trainee.lm.device)
        if recorder:
            recorder.add(record)
            if last or stop or step % work.checkpoint_every == 0:
                recorder.save(step)
        if stop and not last:
            return False
    return True


class _Recorder:
    """Writes what the run leaves behind as it goes."""

    def __init__(self, work: TrainingWork, trainee: Trainee) -> None:
        self._output, self._trainee = work.output, trainee
        self._history, self._events = History(work.output), Events(work.output)
        self._checkpoints = Checkpoints(work.output, work.facts.run)
        self._records: list[StepRecord] = []
        self._saved = 0

    def back_to(self, step: int) -> None:
        """Go on after `step`."""
        self._checkpoints.clean()
        self._history.back_to(step)
        self._events.back_to(step)
        self._records = self._history.read()
        self._saved = len(self._records)

    def add(self, record: StepRecord) -> None:
        self._records.append(record)

    def save(self, step: int) -> None:
        """The checkpoint last, since it says that what is before it is there."""
        new = self._records[self._saved :]
        trainer = self._trainee.trainer
        try:
            self._history.write(new)
            self._events.write(new)
            self._checkpoints.save(Checkpoint(step, trainer.adaptor.config, trainer.state()))
            self._draw()
        except OSError as error:
            raise RunError(
                f"{self._output} cannot be written at step {step}: {describe(error)}. "
                "Put that right and start the same command again: it resumes from its last checkpoint."
            ) from error
        self._saved = len(self._records)

    def _draw(self) -> None:
        if find_spec("matplotlib") is not None:  # an extra of the package
            from pipeline.train.chart import draw

            draw(self._output, self._records)


def _resume(work: TrainingWork, trainee: Trainee, world: int) -> int:
    """Load the newest checkpoint, the same one in every process; the steps that were done."""
    checkpoint = Checkpoints(work.output, work.facts.run).latest()
    step = checkpoint.step if checkpoint else 0
    if world > 1:
        steps = torch.tensor([step, -step], device=trainee.lm.device)
        torch.distributed.all_reduce(steps, torch.distributed.ReduceOp.MAX)
        if steps[0] != -steps[1]:
            raise RuntimeError(f"workers see different checkpoints in {work.output}")
    if checkpoint:
        trainee.trainer.load_state(checkpoint.state, step)
    return step


def _agree(stop: bool, world: int, device: torch.device) -> bool:
    """Whether any process wants to stop."""
    if world == 1:
        return stop
    wish = torch.tensor(float(stop), device=device)
    torch.distributed.all_reduce(wish)
    return bool(wish)

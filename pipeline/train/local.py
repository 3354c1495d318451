"""A training run in this process: no Ray, one worker."""

from collections.abc import Callable, Iterator, Sequence

import torch

from pipeline.stages.torch_runtime import Precision, TorchRuntime
from pipeline.storage.errors import UserError
from pipeline.train.config import TrainJobConfig
from pipeline.train.encode import encode_locally
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.history import StepRecord
from pipeline.train.loop import train
from pipeline.train.towers import Towers
from pipeline.train.work import TrainingWork


class TrainInProcess:
    """A `pipeline.train.run.TrainMachine`. Raises UserError where settings ask for Ray or a missing GPU."""

    workers = 1

    def __init__(self, config: TrainJobConfig) -> None:
        if (config.workers or 1) > 1:
            raise UserError(f"{config.workers} workers need Ray; leave --local or --workers out")
        there = torch.cuda.is_available()
        if config.device == "cuda" and not there:
            raise UserError("device: cuda, but torch sees no GPU; leave it out to train on the CPU")
        self.has_gpu = there and config.device != "cpu"
        self._threads = config.threads or torch.get_num_threads()

    def encode(self, towers: Towers, cache: FeatureCache, texts: Sequence[str]) -> Iterator[int]:
        return encode_locally(towers, cache, texts, self._runtime("float32"))

    def train(
        self, work: TrainingWork, observe: Callable[[StepRecord], object], stop: Callable[[], bool]
    ) -> bool:
        def observe_and_ask(record: StepRecord) -> bool:
            observe(record)
            return stop()

        return train(work, self._runtime(work.facts.precision), observe_and_ask)

    def _runtime(self, precision: Precision) -> TorchRuntime:
        return TorchRuntime(
            device="cuda" if self.has_gpu else "cpu", precision=precision, threads=self._threads
        )

"""Which captions each training step sees: a function of seed and step alone, so that a resume needs no state.

Each epoch is a fresh order of all captions. Captions of similar length share a batch, since a batch is padded
to its longest: the epoch's order is cut into windows of many batches, each window is sorted by length and
cut into batches, and the epoch's batches are shuffled.
"""

import numpy as np
from numpy.typing import NDArray

_WINDOW = 64  # batches that are sorted together; more pads less and mixes less


class BatchPlan:
    """Batches of `batch` captions whose token counts are `lengths` [M].

    Fewer than `batch` captions are repeated until they fill one. Raises ValueError for no captions.
    """

    def __init__(self, lengths: NDArray[np.integer], batch: int, seed: int) -> None:
        if not len(lengths):
            raise ValueError("there are no captions to train on")
        self._lengths, self._batch, self._seed = lengths, batch, seed
        self.steps_per_epoch = max(1, len(lengths) // batch)
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def rows(self, step: int) -> NDArray[np.int64]:
        """Indices [batch] of the captions of a step; the captions that no whole batch holds wait an epoch."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._batches(epoch))
        return self._epoch[1][index]

    def _batches(self, epoch: int) -> NDArray[np.int64]:
        numbers = np.random.default_rng([self._seed, epoch])
        order = numbers.permutation(len(self._lengths))
        order = np.resize(order, self.steps_per_epoch * self._batch)
        window = _WINDOW * self._batch
        for start in range(0, len(order), window):
            part = order[start : start + window]
            part[:] = part[np.argsort(self._lengths[part], kind="stable")]
        return numbers.permutation(order.reshape(-1, self._batch))

"""Batches that are halved where memory runs out: how large they begin is `batch_sizes.py`'s to say."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")

_NO_MEMORY = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")


class FittingBatch:
    """Batches that get smaller, permanently, each time memory runs out."""

    def __init__(self) -> None:
        self._most: int | None = None

    def over(
        self, count: int, size: int, work: Callable[[slice], Result], halve: bool = True
    ) -> Iterator[Result]:
        """What `work` gives for each batch of at most `size` of `count` rows, in order.

        A batch for which memory runs out is tried again at half its size. Raises MemoryError where one row
        does not fit, or without `halve` where a batch does not.
        """
        start = 0
        while start < count:
            rows = slice(start, min(count, start + (size if self._most is None else min(size, self._most))))
            done = self._attempt(rows, work, halve)
            if done is not None:
                yield done[0]
                start = rows.stop

    def _attempt(self, rows: slice, work: Callable[[slice], Result], halve: bool) -> tuple[Result] | None:
        """None where memory ran out, once what the attempt held is freed with its exception."""
        try:
            return (work(rows),)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            problem = str(error).split("\n")[0]
        if not halve:
            raise MemoryError(
                "too many candidates are decoded at once for this memory, and in half precision their number "
                f"decides captions: set candidate_batch lower, in a run of its own ({problem})"
            )
        size = rows.stop - rows.start
        if size == 1:
            raise MemoryError(f"not even one row at a time fits into memory: {problem}")
        self._most = size // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _NO_MEMORY)

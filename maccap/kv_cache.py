"""Keys and values of a decode in storage of one fixed shape, written in place.

transformers' `DynamicCache` copies all keys and values every step to append one token, and again to drop or
reorder rows. Its `StaticCache` writes in place, but hands attention the whole storage and a mask over what is
not yet filled. Here attention gets a view of what is filled, and only rows that move are copied.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer


class FixedCache(Cache):
    """A cache of `positions` tokens a row, for any Hugging Face causal language model of this `config`.

    The first pass (prefill) of R rows makes R * `copies` rows, those of a prefilled row side by side. Layers
    with a form of their own (sliding windows, recurrent states) keep transformers' own storage.
    """

    def __init__(self, config: PreTrainedConfig, positions: int, copies: int = 1) -> None:
        layers: list[Any] = [
            _FixedLayer(positions, copies) if type(layer) is DynamicLayer else layer
            for layer in DynamicCache(config=config).layers
        ]
        super().__init__(layers)
        self._fixed = [layer for layer in layers if isinstance(layer, _FixedLayer)]
        self._others = [layer for layer in layers if not isinstance(layer, _FixedLayer)]
        self._copies = copies

    def copy_rows(self, rows: int) -> None:
        """After the prefill of `rows`: the copies in layers that do not make their own."""
        if self._copies > 1:
            for layer in self._others:
                layer.reorder_cache(torch.arange(rows).repeat_interleave(self._copies))

    def select(self, rows: Tensor, since: int = 0) -> None:
        """Row i becomes what row `rows[i]` was; rows beyond len(rows) are dropped.

        `since`: the first position at which a row and the one that takes its place may differ.
        """
        moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        source = rows[moved]
        for layer in self._fixed:
            layer.move(source, moved, len(rows), since)
        for layer in self._others:
            layer.reorder_cache(rows)

    def numel(self) -> int:
        """Numbers that the storage holds; layers with a form of their own are not counted."""
        return sum(layer.numel() for layer in self._fixed)


class _FixedLayer(DynamicLayer):
    """`keys` and `values` are views of the filled part of storage [rows, heads, positions, dim]."""

    def __init__(self, positions: int, copies: int) -> None:
        super().__init__()
        self._positions, self._copies = positions, copies
        self._storage: list[Tensor] = []
        self._rows = self._filled = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            return self._prefill(key_states, value_states)
        start, stop = self._filled, self._filled + key_states.shape[2]
        if stop > self._positions:
            raise ValueError(f"the cache has room for {self._positions} tokens a row, and they are all taken")
        for storage, states in zip(self._storage, (key_states, value_states), strict=True):
            storage[: self._rows, :, start:stop] = states
        return self._show(self._rows, stop)

    def move(self, source: Tensor, target: Tensor, rows: int, since: int) -> None:
        if len(target):
            for storage in self._storage:
                changing = storage[:, :, since : self._filled]
                changing[target] = changing[source]
        self._show(rows, self._filled)

    def numel(self) -> int:
        return sum(storage.numel() for storage in self._storage)

    def _prefill(self, key_states: Tensor, value_states: Tensor) -> tuple[Tensor, Tensor]:
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        for states in (key_states, value_states):
            rows, heads, filled, dim = states.shape
            storage = states.new_empty(rows, self._copies, heads, self._positions, dim)
            storage[:, :, :, :filled] = states[:, None]
            self._storage.append(storage.flatten(0, 1))
        self._show(rows * self._copies, filled)
        return key_states, value_states

    def _show(self, rows: int, filled: int) -> tuple[Tensor, Tensor]:
        self._rows, self._filled = rows, filled
        keys, values = (storage[:rows, :, :filled] for storage in self._storage)
        self.keys, self.values = keys, values
        return keys, values

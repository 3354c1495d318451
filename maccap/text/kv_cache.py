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
    """A cache of `positions` tokens per row, for any Hugging Face causal language model of this `config`.

    Its `rows` come in the first pass, or some at a time in the first passes (prefill), and become
    rows * `copies`, those of a prefilled row side by side. Layers with a form of their own (sliding windows,
    recurrent states) keep transformers' own storage, and take all rows at once.
    """

    def __init__(self, config: PreTrainedConfig, rows: int, positions: int, copies: int = 1) -> None:
        self._config = config
        own = DynamicCache(config=config).layers
        slab = _Slab(2 * sum(type(layer) is DynamicLayer for layer in own))
        layers: list[Any] = [
            _FixedLayer(slab, rows, positions, copies) if type(layer) is DynamicLayer else layer
            for layer in own
        ]
        super().__init__(layers)
        self._fixed = [layer for layer in layers if isinstance(layer, _FixedLayer)]
        self._others = [layer for layer in layers if not isinstance(layer, _FixedLayer)]
        self._prefilled, self._copies = rows, copies
        self.read = 0  # tokens per row

    @property
    def takes_parts(self) -> bool:
        """Whether the rows may be prefilled some at a time."""
        return not self._others

    def copy_rows(self) -> None:
        """After the prefill: the copies in layers that do not make their own."""
        if self._copies > 1:
            for layer in self._others:
                layer.reorder_cache(torch.arange(self._prefilled).repeat_interleave(self._copies))

    def branched(self, rows: Tensor, room: int, copies: int = 1) -> "FixedCache":
        """Another cache, which begins as `rows` [R] of this one, `copies` of each side by side, and has room
        for that many more tokens. Every layer must be of fixed storage (`takes_parts`).
        """
        branch = FixedCache(self._config, len(rows), self.read + room, copies)
        for layer, begun in zip(self._fixed, branch._fixed, strict=True):
            layer.begin(begun, rows)
        branch.read = self.read
        return branch

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


class _Slab:
    """Memory of `count` tensors of one shape, had in one piece at the first use.

    Dozens of tensors of a few megabytes would lie about the heap, which later finds no room among them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._parts: list[Tensor] = []

    def empty(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """One of them; its own memory for a tensor of another shape, as some models' layers have."""
        if self._count:
            self._parts, self._count = list(like.new_empty(self._count, *shape)), 0
        if self._parts and self._parts[-1].shape == shape:
            return self._parts.pop()
        return like.new_empty(shape)


class _FixedLayer(DynamicLayer):
    """`keys` and `values` are views of the filled part of storage [rows, heads, positions, dim]."""

    def __init__(self, slab: _Slab, rows: int, positions: int, copies: int) -> None:
        super().__init__()
        self._slab = slab
        self._to_prefill, self._positions, self._copies = rows, positions, copies
        self._storage: list[Tensor] = []
        self._rows = self._filled = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:  # transformers takes it for empty until all rows are in
            return self._prefill(key_states, value_states)
        start, stop = self._filled, self._filled + key_states.shape[2]
        if stop > self._positions:
            raise ValueError(
                f"the cache has room for {self._positions} tokens per row, and they are all taken"
            )
        for storage, states in zip(self._storage, (key_states, value_states), strict=True):
            storage[: self._rows, :, start:stop] = states
        return self._show(self._rows, stop)

    def begin(self, other: "_FixedLayer", rows: Tensor) -> None:
        """Prefill another layer with `rows` of this one."""
        keys, values = (storage[rows, :, : self._filled] for storage in self._storage)
        other._prefill(keys, values)

    def move(self, source: Tensor, target: Tensor, rows: int, since: int) -> None:
        if len(target):
            for storage in self._storage:
                changing = storage[:, :, since : self._filled]
                changing[target] = changing[source]
        self._show(rows, self._filled)

    def numel(self) -> int:
        return sum(storage.numel() for storage in self._storage)

    def _prefill(self, key_states: Tensor, value_states: Tensor) -> tuple[Tensor, Tensor]:
        rows, heads, filled, _ = key_states.shape
        if not self._storage:
            self.dtype, self.device = key_states.dtype, key_states.device
            shape = self._to_prefill * self._copies, heads, self._positions
            self._storage = [
                self._slab.empty(states, (*shape, states.shape[-1])) for states in (key_states, value_states)
            ]
        first, self._rows = self._rows, self._rows + rows * self._copies
        for storage, states in zip(self._storage, (key_states, value_states), strict=True):
            own = storage[first : self._rows].unflatten(0, (rows, self._copies))
            own[:, :, :, :filled] = states[:, None]
        if self._rows == len(self._storage[0]):
            self.is_initialized = True
            self._show(self._rows, filled)
        return key_states, value_states

    def _show(self, rows: int, filled: int) -> tuple[Tensor, Tensor]:
        self._rows, self._filled = rows, filled
        keys, values = (storage[:rows, :, :filled] for storage in self._storage)
        self.keys, self.values = keys, values
        return keys, values

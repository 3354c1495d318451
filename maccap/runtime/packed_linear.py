"""Layers of a frozen model as inference on a CPU wants them: linear ones packed, embeddings small.

On a CPU `nn.Linear` rearranges its weight anew for every product, into the order in which oneDNN's kernels
read it. Done once, the products of a decode step (few rows, large weights) take about two thirds of the time,
the language model head half, and CLIP an eighth less; and a row's result no longer depends on how many rows
there are.

The layers here are the `nn.Linear` and `nn.Embedding` that they stand for, with a `weight` that is computed
when asked for, and saved.
"""

import ctypes
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.runtime.process_memory import forget_file, lies_in_file, trim_heap

_BLOCKS = (64, 48, 32, 24, 16, 8)  # outputs that oneDNN keeps side by side


def pack_linears(model: nn.Module) -> None:
    """Replace every `nn.Linear` in a frozen float32 model on an x86 CPU by a packed one; nothing elsewhere.

    The weights are kept once, packed: an embedding that is tied to a packed layer looks its rows up there.
    Other embeddings take half the memory where half precision holds them exactly.
    """
    if not (_has_kernels() and any(map(_packable, model.parameters()))):
        return
    for parameter in model.parameters():
        _take_from_file(parameter)
    # one by one and by name: a list of the layers would keep their weights beside the packed ones
    for name in _names(model, nn.Linear):
        _pack(model, name)
        trim_heap()  # each time, or the heap grows by what the packed layers took before
    for name in _names(model, nn.Embedding):
        _halve(model, name)
    trim_heap()


class _ComputedWeight(nn.Module):
    """A layer that computes its `weight` when asked for it, and is saved with it."""

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight


class PackedLinear(_ComputedWeight, nn.Linear):
    """A linear layer with its weight in oneDNN's order."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)  # no weight of its own
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """[out, in], unpacked."""
        return self._packed.to_dense()

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        if torch.is_grad_enabled() and inputs.requires_grad:  # the packed product has no gradient
            return F.linear(inputs, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self.bias, "none", [], "")


class _ComputedEmbedding(_ComputedWeight, nn.Embedding):
    """Of the sizes of the embedding that it stands for."""

    def __init__(self, embedding: nn.Embedding) -> None:
        nn.Module.__init__(self)  # no weight of its own
        self.num_embeddings, self.embedding_dim = embedding.num_embeddings, embedding.embedding_dim

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class TiedEmbedding(_ComputedEmbedding):
    """The embedding of a model whose head has the same weight, looked up in the packed head."""

    def __init__(self, embedding: nn.Embedding, head: PackedLinear, blocks: Tensor) -> None:
        super().__init__(embedding)
        self._blocks = blocks  # [vocabulary / block, dimension, block], a view of the head's memory
        self._memory_of = head._packed  # which the view does not keep

    @classmethod
    def of(cls, embedding: nn.Embedding, head: PackedLinear) -> Self | None:
        """None where the packed weight is not laid out as is known here."""
        memory = _memory(head._packed)
        for size in _BLOCKS:
            rows = embedding.weight.split(size)
            if not len(memory) or len(memory) % (len(rows) * size):
                continue
            blocks = memory.view(len(rows), -1, size)[:, : embedding.embedding_dim]
            if all(torch.equal(block.T[: len(row)], row) for block, row in zip(blocks, rows, strict=True)):
                return cls(embedding, head, blocks)
        return None

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """[vocabulary, dimension]."""
        return self._blocks.transpose(1, 2).flatten(0, 1)[: self.num_embeddings].contiguous()

    def forward(self, ids: Tensor) -> Tensor:
        """[...] to [..., dimension]."""
        block = self._blocks.shape[2]
        return self._blocks[ids // block, :, ids % block]


class HalfEmbedding(_ComputedEmbedding):
    """An embedding of numbers that half precision holds exactly, as weights on disk mostly are."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__(embedding)
        self._half = embedding.weight.detach().half()

    @classmethod
    def of(cls, embedding: nn.Embedding) -> Self | None:
        """None where it would lose a digit."""
        if not _packable(embedding.weight):
            return None
        half = cls(embedding)
        return half if torch.equal(half.weight, embedding.weight) else None

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """[vocabulary, dimension], float32."""
        return self._half.float()

    def forward(self, ids: Tensor) -> Tensor:
        """[...] to float32 [..., dimension]."""
        return F.embedding(ids, self._half).float()


def _names(model: nn.Module, kind: type[nn.Module]) -> list[str]:
    return [name for name, module in model.named_modules() if type(module) is kind]


def _pack(model: nn.Module, name: str) -> None:
    linear: Any = model.get_submodule(name)
    if not _packable(linear.weight):
        return
    packed = PackedLinear(linear)
    model.set_submodule(name, packed)
    for tied in _names(model, nn.Embedding):
        embedding: Any = model.get_submodule(tied)
        if embedding.weight is linear.weight and (rows := TiedEmbedding.of(embedding, packed)):
            model.set_submodule(tied, rows)


def _halve(model: nn.Module, name: str) -> None:
    embedding: Any = model.get_submodule(name)
    if half := HalfEmbedding.of(embedding):
        model.set_submodule(name, half)


def _take_from_file(parameter: Tensor) -> None:
    """Loaded weights often lie in their mapped file, which would stay in memory beside the packed ones."""
    loaded = parameter.data
    if lies_in_file(loaded.data_ptr()):
        parameter.data = loaded.clone()
        forget_file(loaded.data_ptr(), loaded.nbytes)


def _memory(packed: Tensor) -> Tensor:
    """A packed weight's memory as float32 numbers in the order of their addresses; empty if not to be had."""
    ops = torch.ops.mkldnn
    if not (hasattr(ops, "data_ptr") and hasattr(ops, "_nbytes")):
        return torch.empty(0)
    numbers = (ctypes.c_float * (int(ops._nbytes(packed)) // 4)).from_address(int(ops.data_ptr(packed)))
    return torch.frombuffer(numbers, dtype=torch.float32)


def _has_kernels() -> bool:
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.requires_grad

"""Layers of a frozen model as inference on a CPU wants them: linear ones packed, embeddings small.

On a CPU `nn.Linear` rearranges its weight anew for every product, into the order in which oneDNN's kernels
read it. Done once, the products of a decode step (few rows, large weights) take about two thirds of the time,
the language model head half, and CLIP an eighth less; and a row's result no longer depends on how many rows
there are.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.heap import give_back


def pack_linears(model: nn.Module) -> None:
    """Replace every `nn.Linear` in a frozen float32 model on an x86 CPU by a packed one; nothing elsewhere.

    The weights are kept once, packed; those of a tied embedding stay beside the packed ones, as its rows are
    looked up one by one. Embeddings take half the memory where half precision holds them exactly.
    """
    if not (_has_kernels() and any(map(_packable, model.parameters()))):
        return
    # weights that were loaded lie in the mapped file, which stays in memory whole while one of them does
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    give_back()
    for name, module in list(model.named_modules()):
        if type(module) is nn.Embedding and _is_half(module.weight):
            model.set_submodule(name, HalfEmbedding(module))
    # one by one and by name: a list of the layers would keep their weights beside the packed ones
    for name in [name for name, module in model.named_modules() if type(module) is nn.Linear]:
        linear: Any = model.get_submodule(name)
        if _packable(linear.weight):
            model.set_submodule(name, PackedLinear(linear))
            del linear
            give_back()  # each time, or the heap grows by what the packed layers took before


class _Frozen(nn.Module):
    """A layer for inference whose `state_dict` gives the weight of the layer it stands for."""

    @property
    def weight(self) -> Tensor:
        raise NotImplementedError

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight.detach()


class PackedLinear(_Frozen):
    """An `nn.Linear`."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())

    @property
    def weight(self) -> Tensor:
        """[out, in], unpacked."""
        return self._packed.to_dense()

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        if torch.is_grad_enabled() and inputs.requires_grad:  # the packed product has no gradient
            return F.linear(inputs, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self.bias, "none", [], "")


class HalfEmbedding(_Frozen):
    """An `nn.Embedding` of numbers that half precision holds exactly, as weights on disk mostly are."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding_dim = embedding.embedding_dim
        self._half = embedding.weight.detach().half()

    @property
    def weight(self) -> Tensor:
        """[vocabulary, dimension], float32."""
        return self._half.float()

    def forward(self, ids: Tensor) -> Tensor:
        """[...] to float32 [..., dimension]."""
        return F.embedding(ids, self._half).float()


def _has_kernels() -> bool:
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.requires_grad


def _is_half(weight: Tensor) -> bool:
    return _packable(weight) and torch.equal(weight.half().float(), weight)

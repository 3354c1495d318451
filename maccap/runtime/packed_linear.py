"""Linear layers of a frozen model as inference on a CPU wants them.

On a CPU `nn.Linear` rearranges its weight anew for every product, into the order in which oneDNN's kernels
read it. Done once, the products of a decode step (few rows, large weights) take about two thirds of the time,
the language model head half, and CLIP an eighth less; and a row's result no longer depends on how many rows
there are.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.runtime.process_memory import trim_heap


def pack_linears(model: nn.Module) -> None:
    """Replace every `nn.Linear` in a frozen float32 model on an x86 CPU by a packed one; elsewhere, and where
    this torch has no such kernels, the model stays as it is.

    A weight that an embedding shares with a packed layer is then there twice.
    """
    names = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    if not names or not _has_kernels():
        return
    for name in names:  # one by one: a list of the layers would keep their weights beside the packed ones
        _pack(model, name)
        trim_heap()  # each time, or the heap grows by what the packed layers took before
    for parameter in model.parameters():
        if _packable(parameter):  # it may lie in the mapped file of all weights, which can go now
            parameter.data = parameter.data.clone()


class PackedLinear(nn.Linear):
    """A linear layer with its weight in oneDNN's order: the `nn.Linear` that it stands for, with a `weight`
    that is computed when asked for, and saved.
    """

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

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight


def _pack(model: nn.Module, name: str) -> None:
    linear: Any = model.get_submodule(name)
    if _packable(linear.weight):
        model.set_submodule(name, PackedLinear(linear))


def _has_kernels() -> bool:
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.requires_grad

"""Linear layers of a frozen model in the order in which oneDNN's kernels read their weights.

On a CPU `nn.Linear` rearranges its weight anew for every product. Done once, the products of a decode step
(few rows, large weights) take about two thirds of the time, and the language model head half; and a row's
result no longer depends on how many rows there are.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.heap import give_back


def pack_linears(model: nn.Module) -> None:
    """Replace every `nn.Linear` in a frozen float32 model on an x86 CPU by a packed one; nothing elsewhere.

    The weights are kept once, packed, but for those that another module shares (tied embeddings).
    """
    if not (_has_kernels() and any(map(_packable, model.parameters()))):
        return
    # weights that were loaded lie in the mapped file, which stays in memory whole while one of them does
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    give_back()
    owners: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    # one by one and by name: a list of the layers would keep their weights beside the packed ones
    for name in [name for name, module in model.named_modules() if type(module) is nn.Linear]:
        linear: Any = model.get_submodule(name)
        if _packable(linear.weight):
            model.set_submodule(name, PackedLinear(linear, shared=owners[id(linear.weight)] > 1))
            del linear
            give_back()  # each time, or the heap grows by what the packed layers took before


class PackedLinear(nn.Module):
    """An `nn.Linear` for inference. `state_dict` gives its weight as the linear layer's would."""

    def __init__(self, linear: nn.Linear, shared: bool) -> None:
        super().__init__()
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._shared = (linear.weight,) if shared else ()  # in a tuple: the parameter stays its owner's

    @property
    def weight(self) -> Tensor:
        """[out, in], unpacked."""
        return self._shared[0] if self._shared else self._packed.to_dense()

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        if torch.is_grad_enabled() and inputs.requires_grad:  # the packed product has no gradient
            return F.linear(inputs, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self.bias, "none", [], "")

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight.detach()


def _has_kernels() -> bool:
    x86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.requires_grad

"""Projection onto a memory of text features: the bridge that DeCap (Li et al., ICLR 2023) takes instead of
noise.

An adaptor that has only ever read text features is given, for an image, the blend of training captions'
features that lies nearest to it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def project(features: Tensor, memory: Tensor, temperature: float, rows: int = 1024) -> Tensor:
    """`normalise(softmax(features @ memory.T / temperature) @ memory)`, [R, D].

    `features` [R, D] and `memory` [M, D] of unit length; `rows` of them are projected at a time.
    """
    memory = memory.to(features)
    parts = [torch.softmax(part @ memory.T / temperature, dim=-1) @ memory for part in features.split(rows)]
    return F.normalize(torch.cat(parts), dim=-1) if parts else features

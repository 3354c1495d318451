"""Region noise: what bridges text features (training) and image features (inference).

CLIP's text and image features lie apart. Noise of the same size on both makes the adaptor read a
neighbourhood instead of a point (the paper's region noise).
"""

import math

import torch.nn.functional as F
from torch import Tensor


def add_noise(features: Tensor, eps: Tensor, variance: float) -> Tensor:
    """`normalise(features + sqrt(variance) * eps)` over the last dimension.

    `features` [..., N, D]; `eps` standard normal, of a shape that broadcasts with it; `variance` of the
    noise in each dimension (0.016 for D = 512). With variance 0 the features are normalised, nothing else.
    """
    return F.normalize(features + math.sqrt(variance) * eps, dim=-1)

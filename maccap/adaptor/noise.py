"""Region noise: what bridges text features (training) and image features (inference).

CLIP's text and image features lie apart. Noise of the same size on both makes the adaptor read a
neighbourhood instead of a point (the paper's region noise). Theirs is the same in every direction; ours may
be larger where images and their captions differ more (`noise_root`).
"""

import math

import torch.nn.functional as F
from torch import Tensor

from maccap.adaptor.covariance import ledoit_wolf, matrix_power


def add_noise(features: Tensor, eps: Tensor, variance: float, root: Tensor | None = None) -> Tensor:
    """`normalise(features + sqrt(variance) * eps)` over the last dimension.

    `features` [..., N, D]; `eps` standard normal, of a shape that broadcasts with it; `variance` of the
    noise in each dimension (0.016 for D = 512), in the mean over them where `root` [D, D] turns `eps` to have
    another covariance. With variance 0 the features are normalised, nothing else.
    """
    if root is not None:
        eps = eps @ root
    return F.normalize(features + math.sqrt(variance) * eps, dim=-1)


def noise_root(differences: Tensor) -> Tensor:
    """The root [D, D], float32, that gives noise the covariance of `differences` [n, D], of features of unit
    length: an image's less its caption's, or one caption's of an image less another's. Their size does not
    matter, their mean neither. Raises ValueError where they do not differ.
    """
    covariance = ledoit_wolf(differences)
    size = covariance.diagonal().mean()
    if not size > 0:
        raise ValueError(f"{len(differences)} differences that are all alike have no covariance")
    return matrix_power(covariance / size, 0.5).float()

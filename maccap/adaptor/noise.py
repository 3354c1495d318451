"""Region noise: what bridges text features (training) and image features (inference).

CLIP's text and image features lie apart. Noise of the same size on both makes the adaptor read a
neighbourhood instead of a point (the paper's region noise). Theirs is independent for each region and the
same in every direction. Ours may be what measured differences are: an image's regions differ from its caption
in nearly the same way, which independent noise, averaged over N regions, never shows the adaptor (`shared`);
and they differ more in some directions than in others (`root`).
"""

import math
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from maccap.adaptor.covariance import ledoit_wolf, matrix_power

_PARAPHRASES = 10_000  # pairs at most


def add_noise(features: Tensor, eps: Tensor, variance: float) -> Tensor:
    """`normalise(features + sqrt(variance) * eps)` over the last dimension.

    `features` [..., N, D]; `eps` standard normal, of a shape that broadcasts with it; `variance` of the
    noise in each dimension (0.016 for D = 512). With variance 0 the features are normalised, nothing else.
    """
    return F.normalize(features + math.sqrt(variance) * eps, dim=-1)


class RegionNoise(NamedTuple):
    """Noise of a `variance` in each dimension, of which a fraction `shared` is the same for all regions; None
    draws each by itself, as in the paper. With `root` [D, D] (see `noise_root`) it is not the same in every
    direction, and `variance` is the mean over them.
    """

    variance: float
    shared: float | None = None
    root: Tensor | None = None

    def __call__(self, features: Tensor, eps: Tensor) -> Tensor:
        """`add_noise` to `features` [..., N, D], of noise made from `eps`, standard normal, of that shape."""
        regions = eps.shape[-2]
        if self.shared is not None and regions > 1:
            # the mean of N independent draws has the Nth part of their variance, what is left the rest
            mean = eps.mean(-2, keepdim=True)
            alike, apart = self.shared * regions, (1 - self.shared) * regions / (regions - 1)
            eps = math.sqrt(alike) * mean + math.sqrt(apart) * (eps - mean)
        if self.root is not None:
            eps = eps @ self.root.to(eps)
        return add_noise(features, eps, self.variance)


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


def paraphrase_pairs(images: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows [n, 2] of captions of the same image, where `images` has a number for each caption's, whichever;
    at most 10,000 pairs, drawn at random.
    """
    _, seen_at, image = np.unique(images, return_index=True, return_inverse=True)
    first_of = seen_at[image]
    order = np.argsort(first_of, kind="stable")
    same = np.flatnonzero(first_of[order[1:]] == first_of[order[:-1]])
    chosen = np.sort(np.random.default_rng(0).choice(same, min(_PARAPHRASES, len(same)), replace=False))
    return np.stack([order[chosen], order[chosen + 1]], axis=1)

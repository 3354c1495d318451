"""Regions of an image that a caption of their own is made of: the places that CLIP looks at, as boxes.

A salient token of the method gathers the whole image, weighted by its row of attention. Here it stands for
the one place where that row has its peak, and the feature is gathered there alone: a text that is close to
it names what is under the box.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maccap.image.clip import ImageTokens
from maccap.image.view import Box

_EDGE = 1 / 3  # of the peak's attention, down to which the patches around it belong to a region
_OVERLAP = 0.5  # of the smaller region, above which two show the same
_LARGEST = 0.5  # of the image, above which the box around a place tells nothing
_TRIED = 8  # salient tokens for each region that is wanted


class SalientRegions(NamedTuple):
    """M regions of an image, the most salient first."""

    patches: list[int]  # of each the one with its peak, counted row by row
    boxes: list[Box]  # around each, as fractions of what CLIP saw
    features: Tensor  # [M, D], unit length


def salient_regions(image: ImageTokens, count: int) -> list[SalientRegions]:
    """Up to `count` regions of each image; fewer where CLIP looks at fewer places.

    The patches that CLS attends to most are gone through in order. Each attends to a place: the peak of its
    row, and what is connected with it (in all eight directions) above a third of it. Left out are places
    whose box is more than half of the image, unless all are, and those that overlap one before by more than
    half of the smaller. The feature of a place is `normalise(w @ X)`, with the row's attention to its
    patches as w.
    """
    tokens, attention = image.tokens[:, 1:], image.attention[:, 1:, 1:]
    patches = tokens.shape[1]
    salient = image.attention[:, 0, 1:].topk(min(patches, _TRIED * count), dim=-1).indices
    rows = attention.gather(1, salient[:, :, None].expand(-1, -1, patches))
    places = _around_peaks(rows)
    features = F.normalize((rows * places) @ tokens, dim=-1)
    peaks, overlaps = rows.argmax(-1).tolist(), _overlaps(places).tolist()
    found = []
    for row, of_image in enumerate(_boxes(places).tolist()):
        boxes = [Box(*box) for box in of_image]
        kept: list[int] = []
        for place in [at for at, box in enumerate(boxes) if box.width * box.height <= _LARGEST] or [0]:
            if len(kept) < count and all(overlaps[row][place][one] <= _OVERLAP for one in kept):
                kept.append(place)
        found.append(
            SalientRegions(
                [peaks[row][place] for place in kept],
                [boxes[place] for place in kept],
                features[row, kept],
            )
        )
    return found


def _around_peaks(rows: Tensor) -> Tensor:
    """Of attention [R, S, P] to a square of patches, which of them are the place of each row's peak."""
    grid = math.isqrt(rows.shape[-1])
    near = (rows >= _EDGE * rows.amax(-1, keepdim=True)).unflatten(-1, (grid, grid)).float()
    place = F.one_hot(rows.argmax(-1), rows.shape[-1]).unflatten(-1, (grid, grid)).float()
    while True:
        grown = F.max_pool2d(place, 3, stride=1, padding=1) * near
        if torch.equal(grown, place):
            return place.flatten(2).bool()
        place = grown


def _overlaps(places: Tensor) -> Tensor:
    """[R, S, S], of any two of an image's places, what they share as a fraction of the smaller."""
    sizes = places.sum(-1)
    shared = places.float() @ places.float().transpose(1, 2)
    return shared / torch.minimum(sizes[:, :, None], sizes[:, None])


def _boxes(places: Tensor) -> Tensor:
    """[R, S, 4], as `Box`, around places [R, S, P]."""
    grid = math.isqrt(places.shape[-1])
    square = places.unflatten(-1, (grid, grid)).float()
    across, down = square.amax(-2), square.amax(-1)
    starts = [along.argmax(-1) for along in (across, down)]
    ends = [grid - along.flip(-1).argmax(-1) for along in (across, down)]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    return torch.stack([*starts, *sizes], dim=-1) / grid

"""One linear readout of what a feature says, shared by texts and images while the built-in CLIP trains.

Contrastive learning alone needs a great many examples before a feature says *how many* and *where*, since
most captions differ in what they name. Here a linear layer also reads the facts off every feature: the
number of each kind of object, the relation of two, and the place. One layer for both towers means that an
image states a fact in the same direction as its caption does. It is thrown away after training.

Its directions for numbers and places are orthogonal. Left to itself a small feature lets two kinds that never
meet in training share a direction, and then a scene that holds both loses one of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, OPPOSITE, RELATIONS
from maccap.scenes.world.scene import Scene

_AXES = 3  # dimensions in which a kind's number is told
_QUICK = 20.0  # times as quickly as others learns the small layer that all kinds share
_WEIGHTS = (1.0, 3.0, 1.0)  # numbers, relation, place: few scenes have a relation to tell
_NOISE = 0.04  # standard deviation a dimension
_ABSENT, _SEVERAL = 0, 4  # between them the numbers one to three
_UNTOLD = 0


class ReadoutFacts(NamedTuple):
    """What is to be read off each of B features."""

    numbers: Tensor  # [B, nouns]: 0 absent, 1 to 3, or 4 for several
    relation: Tensor  # [B]: 0 for none, or 1 + the index in RELATIONS, of the kind that is named first
    place: Tensor  # [B]: the background, or the one past the last for none


class Readout(nn.Module):
    """Linear in a unit feature of `dim` dimensions, read with a little noise, so that facts stand apart."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5
        # any orthogonal directions will do: the towers learn to turn towards them
        axes = torch.empty(_AXES * len(NOUNS) + len(BACKGROUNDS), dim)
        self.directions = nn.Parameter(nn.init.orthogonal_(axes), requires_grad=False)
        self.number = nn.Linear(_AXES, _SEVERAL + 1)  # the same for every kind
        for parameter in self.number.parameters():
            parameter.data /= _QUICK
        self.nowhere = nn.Parameter(torch.zeros(1))
        self.relation = nn.Linear(dim, len(RELATIONS) + 1)

    def loss(self, features: Tensor, facts: ReadoutFacts) -> Tensor:
        """Mean over `features` [B, D] of the nats that all facts of one cost."""
        noisy = F.normalize(features + _NOISE * torch.randn_like(features), dim=-1)
        total = features.new_zeros(())
        for logits, wanted, weight in zip(self(noisy), facts, _WEIGHTS, strict=True):
            nats = F.cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="sum")
            total = total + weight * nats
        return total / len(features)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of numbers [B, nouns, 5], the relation [B, 5] and the place [B, backgrounds + 1]."""
        scaled = features * self.scale
        along, places = (scaled @ self.directions.T).split([_AXES * len(NOUNS), len(BACKGROUNDS)], dim=1)
        numbers = _QUICK * self.number(along.unflatten(1, (len(NOUNS), _AXES)))
        place = torch.cat([places, self.nowhere.expand(len(features), 1)], dim=1)
        return numbers, self.relation(scaled), place

    @torch.no_grad()
    def accuracy(self, features: Tensor, facts: ReadoutFacts) -> float:
        """Share of features [B, D] of which every number is read rightly."""
        return (self(features)[0].argmax(-1) == facts.numbers).all(1).float().mean().item()

    @torch.no_grad()
    def relations_right(self, features: Tensor, facts: ReadoutFacts) -> float:
        """Share of features [B, D] with a relation to tell of which it is read rightly."""
        read = self(features)[1].argmax(-1) == facts.relation
        return read[facts.relation != _UNTOLD].float().mean().item()


def facts_of_texts(captions: Sequence[str]) -> ReadoutFacts:
    """What captions say, and nothing of what they leave out."""
    facts = _blank(len(captions))
    for row, caption in enumerate(captions):
        said = parse(caption)
        for noun, count in said.counts.items():
            facts.numbers[row, noun] = _SEVERAL if count is None else count
        if said.background is not None:
            facts.place[row] = said.background
        if said.relation is not None and len(said.counts) == 2:
            first, second = said.counts
            relation = said.relation if first < second else OPPOSITE[said.relation]
            facts.relation[row] = 1 + RELATIONS.index(relation)
    return facts


def facts_of_scenes(scenes: Sequence[Scene]) -> ReadoutFacts:
    """What complete captions tell of an image."""
    facts = _blank(len(scenes))
    for row, scene in enumerate(scenes):
        counts = scene.counts()
        for noun, count in counts.items():
            facts.numbers[row, noun] = count
        facts.place[row] = scene.background
        if len(counts) == 2 and (relation := scene.relation(*counts)):
            facts.relation[row] = 1 + RELATIONS.index(relation)
    return facts


def _blank(rows: int) -> ReadoutFacts:
    return ReadoutFacts(
        torch.full((rows, len(NOUNS)), _ABSENT),
        torch.full((rows,), _UNTOLD),
        torch.full((rows,), len(BACKGROUNDS)),
    )

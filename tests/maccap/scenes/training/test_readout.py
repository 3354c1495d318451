"""The facts that texts and images are asked for, and the layer that reads them."""

import numpy as np
import torch
import torch.nn.functional as F

from maccap.scenes.training.readout import Readout, facts_of_scenes, facts_of_texts
from maccap.scenes.world.captions import complete_caption
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.scene import split_scenes

NOUN = {noun.singular: index for index, noun in enumerate(NOUNS)}


def test_facts_of_texts() -> None:
    facts = facts_of_texts(
        ["two dogs to the left of a cat at night", "some owls", "a cat to the left of two dogs"]
    )
    dog, cat, owl = NOUN["dog"], NOUN["cat"], NOUN["owl"]
    assert facts.numbers[0].nonzero().flatten().tolist() == sorted([dog, cat])
    assert facts.numbers[0, [dog, cat]].tolist() == [2, 1]
    assert facts.numbers[1, owl] == 4
    assert facts.relation.tolist() == [1, 0, 2]  # of the dogs: to the left, none, to the right
    assert BACKGROUNDS[facts.place[0]].name == "night"
    assert facts.place[1] == len(BACKGROUNDS)


def test_a_scene_and_its_complete_caption_state_the_same() -> None:
    numbers = np.random.default_rng(0)
    scenes = split_scenes("train", 200, 3)
    shown, said = facts_of_scenes(scenes), facts_of_texts([complete_caption(s, numbers) for s in scenes])
    assert torch.equal(shown.numbers, said.numbers)
    assert torch.equal(shown.place, said.place)
    assert torch.equal(shown.relation, said.relation)


def test_features_learn_to_be_read() -> None:
    torch.manual_seed(0)
    facts = facts_of_texts(["a dog", "two dogs above three cats", "cats in the forest", "an owl"])
    free = torch.nn.Parameter(torch.randn(4, 192))
    readout = Readout(192)
    optimizer = torch.optim.Adam([free, *readout.parameters()], lr=0.05)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = readout.loss(F.normalize(free, dim=-1), facts)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    assert readout.accuracy(F.normalize(free, dim=-1), facts) == 1


def test_kinds_do_not_share_directions() -> None:
    directions = Readout(192).directions
    torch.testing.assert_close(directions @ directions.T, torch.eye(len(directions)), atol=1e-5, rtol=0)

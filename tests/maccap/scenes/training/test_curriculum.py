"""What CLIP reads as its training by contrast goes on: parts of scenes at first, relations in the end."""

import numpy as np

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.training.curriculum import Batch, draw_batch, opposite
from maccap.scenes.world.lexicon import OPPOSITE

STEPS, SIZE = 100, 64


def drawn(first: int, last: int) -> list[Batch]:
    return [draw_batch(0, step, STEPS, SIZE) for step in range(first, last)]


def telling(batches: list[Batch]) -> float:
    return float(np.mean([parse(text).relation is not None for batch in batches for text in batch.captions]))


def test_relations_come_late_then_alone_and_then_in_a_part_of_each_batch() -> None:
    before, alone, after = drawn(0, 20), drawn(73, 78), drawn(78, 98)
    for batch in (*before, *alone, *after):
        assert len(batch.scenes) == len(batch.captions) == SIZE
    assert not any(batch.opposites for batch in before)
    assert all(len(batch.opposites) == SIZE for batch in alone)
    assert telling(before) < 0.2 < 0.25 < telling(after) < 0.5
    for batch in (*alone, *after):
        for row, text in batch.opposites.items():
            (first, second), relation = parse(batch.captions[row]).counts, parse(text).relation
            assert batch.scenes[row].gap(first, OPPOSITE[str(relation)], second) > 0


def test_fewer_captions_name_a_part_alone_after_that() -> None:
    def of_part(batches: list[Batch]) -> float:
        left_out = [
            len(parse(text).counts) < len(scene.counts())
            for batch in batches
            for scene, text in zip(batch.scenes, batch.captions, strict=True)
            if len(scene.counts()) == 3
        ]
        return float(np.mean(left_out))

    assert of_part(drawn(0, 20)) > of_part(drawn(78, 98)) + 0.15


def test_an_opposite_turns_the_relation_alone() -> None:
    assert opposite("two dogs to the left of a cat") == "two dogs to the right of a cat"
    assert opposite("a dog above a cat at night") == "a dog below a cat at night"
    assert opposite("a dog and a cat") is None

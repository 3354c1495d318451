"""Answers about scenes are counted by question type, with the image and without."""

from pathlib import Path

import pytest

from maccap.captioner import Captioner
from maccap.scenes.evaluation.answers import answer_accuracy, guesses
from maccap.scenes.world.facts import scenes_with_facts


@pytest.fixture(scope="module")
def captioner(small_bundle: Path) -> Captioner:
    return Captioner.from_pretrained(small_bundle, device="cpu")


def test_every_question_is_counted_once_and_in_all(captioner: Captioner) -> None:
    found = answer_accuracy(captioner, "test", 6, 0)
    asked = [one for _, facts in scenes_with_facts("test", 6, 0, asked=True) for one in facts.questions]
    assert found["all"].questions == len(asked)
    assert sum(found[kind].questions for kind in found if kind != "all") == len(asked)
    assert all(0 <= accuracy.with_image <= 1 for accuracy in found.values())


def test_a_guess_depends_on_the_question_alone(captioner: Captioner) -> None:
    asked = [one for _, facts in scenes_with_facts("test", 4, 0, asked=True) for one in facts.questions]
    assert guesses(captioner, asked) == guesses(captioner, asked[::-1])[::-1]

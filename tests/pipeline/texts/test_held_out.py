import random

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts import hold_out

TEXTS = [f"caption number {number}" for number in range(1000)]


def _held(texts: list[str], amount: float) -> set[str]:
    return {texts[position] for position in hold_out(texts, amount).held_out}


@pytest.mark.parametrize(
    ("amount", "count"), [(0, 0), (1, 1), (70, 70), (0.05, 50), (0.00001, 1), (999, 999)]
)
def test_every_caption_is_on_one_side(amount: float, count: int) -> None:
    division = hold_out(TEXTS, amount)
    assert len(division.held_out) == count
    assert sorted(division.training + division.held_out) == list(range(1000))
    assert division.training == sorted(division.training)
    assert division.held_out == sorted(division.held_out)


def test_the_choice_is_the_captions_not_the_orders() -> None:
    shuffled = random.Random(0).sample(TEXTS, len(TEXTS))
    assert _held(TEXTS, 50) == _held(shuffled, 50)
    assert _held(TEXTS, 50) < _held(TEXTS, 51)


def test_more_captions_move_few_across() -> None:
    more = TEXTS + [f"another {number}" for number in range(1000)]
    assert len(_held(TEXTS, 0.1) - _held(more, 0.1)) < 20


def test_captions_that_differ_in_case_and_punctuation_stay_together() -> None:
    texts = [variant for text in TEXTS for variant in (text, f"{text.upper()} .", f"{text}!")]
    division = hold_out(texts, 100)
    assert len(division.held_out) == 102
    assert not {position // 3 for position in division.held_out} & {p // 3 for p in division.training}


@pytest.mark.parametrize(("amount", "message"), [(-1, "neither"), (1.5, "neither"), (1000, "leaves none")])
def test_a_mistake_is_named(amount: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        hold_out(TEXTS, amount)


def test_of_a_single_caption_none_can_be_held_out() -> None:
    assert hold_out(["a"], 0).training == [0]
    with pytest.raises(UserError, match="leaves none to train on"):
        hold_out(["a"], 0.5)

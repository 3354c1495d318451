import random

from pipeline.sources.repeats import Repeats


def _numbered(names: list[str]) -> list[str]:
    repeats = Repeats()
    for name in names:
        repeats.add(name)
    numbers = dict(repeats.numbered(names)) if repeats.found() else {}
    return [f"{name}#{numbers[place]}" if place in numbers else name for place, name in enumerate(names)]


def test_nothing_is_numbered_that_comes_once() -> None:
    assert _numbered([]) == []
    assert _numbered(["a", "b", "a#2"]) == ["a", "b", "a#2"]


def test_every_name_is_given_once_and_the_first_is_left_alone() -> None:
    random_ = random.Random(0)
    names = [
        random_.choice(["a", "b", "a#2", "a#2#2", "b#3", "猫", *map(str, range(50))]) for _ in range(500)
    ]
    numbered = _numbered(names)
    assert len(set(numbered)) == 500
    firsts = [places for places, name in enumerate(names) if name not in names[:places]]
    assert [numbered[place] for place in firsts] == [names[place] for place in firsts]

"""The parts a caption is cut into."""

import pytest

from maccap.adaptor.phrases import phrases


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog next to two cats in the kitchen", ["a dog", "two cats", "the kitchen"]),
        ("A man, a dog and a man", ["A man", "a dog", "a man"]),
        ("a red dog", []),  # it is the caption itself
        ("on the street there are some", ["the street"]),
        ("two people are riding their bikes by the sea.", ["two people", "riding", "bikes", "the sea"]),
        (
            "ein kleiner brauner Hund läuft schnell",
            ["ein kleiner brauner", "brauner Hund läuft", "läuft schnell"],
        ),
        ("一只狗在海滩上", []),
        ("  ,;  ", []),
        ("", []),
    ],
)
def test_what_stands_between_joining_words(caption: str, expected: list[str]) -> None:
    assert phrases(caption) == expected

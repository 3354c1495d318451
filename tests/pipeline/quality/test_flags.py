"""What is flagged in a caption, and what people write that is not."""

import pytest

from pipeline.quality.flags import FLAGS, flags_of


@pytest.mark.parametrize(
    ("caption", "flags"),
    [
        ("", ["empty"]),
        (" .\n", ["empty"]),
        ("A dog.", ["short"]),
        ("a", ["short", "cut"]),
        ("a man riding a wave on a", ["cut"]),
        ("A MAN RIDING A WAVE ON A", ["cut"]),
        ("a dog sitting next to .", ["cut"]),
        ("two cats and", ["cut"]),
        ("a street sign that is", ["cut"]),
        ("a picture of of a dog", ["repeated"]),
        ("a red ball a red ball", ["repeated"]),
        ("a dog in a field, in a field", ["repeated"]),
        ("very very very very large trees", ["repeated"]),
        ("a red ball and a blue cube and a red ball and a blue cube", ["repeated"]),
        ("a man and a man and", ["cut", "repeated"]),
    ],
)
def test_a_caption_that_loops_or_breaks_off_is_flagged(caption: str, flags: list[str]) -> None:
    assert flags_of(caption) == flags
    assert set(flags) <= set(FLAGS)


@pytest.mark.parametrize(
    "caption",
    [
        "two cats and two dogs",
        "Man, skateboarding outside",
        "A living room with the television on.",  # from here on as people write them
        "A view of a bathroom that needs to be fixed up.",
        "Two zebras that are standing near each other",
        "cars passing by a store where a dog waits outside",
        "a child on a choo choo train",
        "a very very tall giraffe",
        "a box of green bananas and a box of ripe bananas",
        "the bus to gate A",
        "A photo taken in Portland, OR",
        "A sign that shows 20 20 in red",
    ],
)
def test_a_sound_caption_is_not(caption: str) -> None:
    assert flags_of(caption) == []


def test_a_caption_of_any_length_is_read_once() -> None:
    assert flags_of(" ".join(f"word{number}" for number in range(50_000))) == []
    assert flags_of("dog " * 50_000) == ["repeated"]

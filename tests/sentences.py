"""Captions in the words of the tests' small language models."""

from itertools import product
from pathlib import Path

_SUBJECTS = ["dog", "red cat", "small blue cup", "large chair", "tree"]
_PLACES = ["", " on a desk", " in the street", " with a car and a tree"]
_FRAMES = ["a {}{}", "the {} sits{}", "green {} of the beach{}"]

SENTENCES = [frame.format(*parts) for frame, parts in product(_FRAMES, product(_SUBJECTS, _PLACES))]
"""Sixty distinct ones of two to nine words."""


def write_sentences(path: Path) -> Path:
    """A line each."""
    path.write_text("".join(f"{sentence}\n" for sentence in SENTENCES))
    return path

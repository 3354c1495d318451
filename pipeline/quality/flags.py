"""What a caption's text alone tells against it: it loops, breaks off, or says next to nothing.

The rules are of English text, and meant to spare sound captions: of 60,090 that people wrote for COCO and
Flickr30k they flag 0.28 % (`repeated` 0.21 %, `cut` 0.07 %), slips of the pen among them.
"""

from collections.abc import Sequence
from typing import Literal, get_args

from pipeline.quality.words import words_of

Flag = Literal["empty", "short", "cut", "repeated"]
FLAGS: tuple[Flag, ...] = get_args(Flag)

_FEWEST_WORDS = 3
_LONGEST_STUTTER = 4
_LOOP = 4  # three words come twice in 0.36 % of people's captions, such as "a box of", four in 0.09 %

# words that no sentence ends with, or next to none; "in", "on", "by" and "near" end many
_UNFINISHED = frozenset(
    words_of(
        "a an the and or but nor as at because during for from into is are was were has have my our your "
        "their its of onto than to toward towards upon while with"
    )
)
# words that are said twice: "a choo choo train"
_DOUBLED = frozenset(
    words_of("bye cha choo coo dum ha ho knock long night no pom so tap tuk tut very yo yum")
)


def flags_of(caption: str) -> list[str]:
    """What is wrong with `caption`, in the order of `FLAGS`:

    - `empty`: it has no word;
    - `short`: it has fewer than three;
    - `cut`: it ends in the middle of a phrase, with an article, a conjunction or the like;
    - `repeated`: one to four words come twice in a row, or the same four words twice anywhere.
    """
    words = words_of(caption)
    if not words:
        return ["empty"]
    flags: list[str] = []
    if len(words) < _FEWEST_WORDS:
        flags.append("short")
    if _breaks_off(caption, words[-1]):
        flags.append("cut")
    if _repeats([word.casefold() for word in words]):
        flags.append("repeated")
    return flags


def _breaks_off(caption: str, last: str) -> bool:
    """A capital is a name, as in "vitamin A" or "Portland, OR", unless all of the caption is in capitals."""
    return (last.lower() if caption.isupper() else last) in _UNFINISHED


def _repeats(words: Sequence[str]) -> bool:
    if any(_stutters(words, length) for length in range(1, _LONGEST_STUTTER + 1)):
        return True
    runs = [tuple(words[start : start + _LOOP]) for start in range(len(words) - _LOOP + 1)]
    return len(set(runs)) < len(runs)


def _stutters(words: Sequence[str], length: int) -> bool:
    """Whether `length` words come twice in a row; three times, where they are one that is said twice."""
    same = 0  # words in a row that equal the one `length` before
    for word, before in zip(words[length:], words, strict=False):
        same = same + 1 if word == before else 0
        times = 2 if length == 1 and (word in _DOUBLED or word.isdecimal()) else 1
        if same >= length * times:
            return True
    return False

"""The parts that a caption names, each a text of its own: `a dog`, `two cats`, `the kitchen`.

They are what stands between commas and the words that join things. No parser: a part need not be a noun
phrase for CLIP to have a feature of it.
"""

import re

_JOINING = (
    "and|or|with|without|while|as|of|to|from|by|for|at|in|on|into|onto|over|under|above|below|besides?|between|"
    "behind|near|beneath|across|along|around|against|inside|outside|through|towards?|next|front|is|are|was|were|"
    "has|have|that|which|who|there|this|these|those|its?|their|his|her"
)
_NAMES_NOTHING = re.compile(r"(?:(?:an?|the|some|several|many|(?:an)?other|few|one)\b\s*)*", re.IGNORECASE)
_CUT = re.compile(rf"[,;:.!?()\"“”]+|(?<!\S)(?:[-–—]|{_JOINING})(?!\S)", re.IGNORECASE)
_MOST_WORDS = 4
_WINDOW, _STRIDE = 3, 2


def phrases(caption: str) -> list[str]:
    """The distinct parts of `caption` in order, without itself; a long part that nothing joins, as in other
    languages, is cut into windows of three words. Empty where nothing can be cut.
    """
    parts = [part for piece in _CUT.split(caption) for part in _short(piece.split())]
    return [part for part in dict.fromkeys(parts) if part != caption and not _NAMES_NOTHING.fullmatch(part)]


def _short(words: list[str]) -> list[str]:
    if len(words) <= _MOST_WORDS:
        return [" ".join(words)]
    starts = range(0, len(words) - _WINDOW + _STRIDE, _STRIDE)
    return [" ".join(words[start : start + _WINDOW]) for start in starts]

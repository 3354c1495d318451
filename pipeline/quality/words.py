"""Words of a caption, as flags and duplicates count them."""

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words_of(caption: str) -> list[str]:
    """Runs of letters and digits, with the apostrophes inside them, as they are written."""
    return _WORD.findall(caption)

"""The split that names tell where records do not: `train-00000-of-00002.parquet`, `captions_val2017.json`,
`cc3m-validation-00.tar`, `test/0.txt`.
"""

import re

from pipeline.texts.layout import ending_of

_SPLITS = {
    **{split: split for split in ("train", "val", "dev", "test", "eval")},
    **{"training": "train", "valid": "val", "validation": "val", "testing": "test", "evaluation": "eval"},
}
_WORD = re.compile(r"[a-z]+")


def known_split(word: str) -> str | None:
    """`train` for Training, `val` for validation, and so on; None for a word that names no split."""
    return _SPLITS.get(word.lower())


def plain_split(split: str) -> str:
    """As a record's or a person's word for a split is meant: `val` for validation; others as they are."""
    return known_split(split) or split


def split_of(path: str) -> str | None:
    """Which split a file's name tells by one of its words, or else the nearest folder that is called so; None
    where neither does, or a name tells several.

    A text file may be called after what it says: of its words only the first and the last count. A word ends
    at what is no letter: `trainstation.txt` has none.
    """
    *folders, name = path.lower().split("/")
    ending = ending_of(name)
    words = _WORD.findall(name.removesuffix(ending))
    if ending.removesuffix(".gz") in (".txt", ".caption"):
        words = words[:1] + words[-1:]
    told = {split for word in words if (split := known_split(word))}
    if told:
        return told.pop() if len(told) == 1 else None
    for folder in reversed(folders):
        words = _WORD.findall(folder)
        if len(words) == 1 and (split := known_split(words[0])):
            return split
    return None

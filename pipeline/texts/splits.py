"""The split that names tell where files do not, as `datasets` reads them: `train-00000-of-00002.parquet`,
`captions_val2017.json`, `cc3m-validation-00.tar`, `test/0.txt`.
"""

import re

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_WORD = re.compile(r"[a-z]+")


def split_of(path: str) -> str | None:
    """`train`, `val` or `test` where one of the path's names has such a word, the last of them; else None.

    A word ends at what is no letter: `trainstation.txt` has none.
    """
    for name in reversed(path.lower().split("/")):
        for word in reversed(_WORD.findall(name)):
            if word in SPLITS:
                return SPLITS[word]
    return None

"""Texts that name something instead of describing it: file names, URLs, paths and ids."""

import re

from pipeline.formats.extensions import IMAGE_EXTENSIONS

IMAGE_ENDINGS = tuple(f".{extension}" for extension in sorted(IMAGE_EXTENSIONS | {"svg"}))
_OTHER_ENDINGS = (
    *(".mp4", ".webm", ".avi", ".mov", ".mkv", ".mp3", ".wav", ".tar", ".tgz", ".gz", ".zip", ".parquet"),
    *(".npy", ".npz", ".json", ".jsonl", ".txt", ".csv", ".tsv", ".pdf", ".html"),
)

_END = 60  # characters of a word that tell how it ends
_SEPARATORS = re.compile(r"[\s,;|]+")
NUMBERED = re.compile(r"(#\w{1,9})+$")
"""At the end of an image's name where it has several captions: Flickr8k's `name.jpg#0`."""
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://.|www\..|data:image/", re.IGNORECASE)
_ROOT = re.compile(r"(~|\.{1,2}|[a-z]:)?[/\\].", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\d{5}")


def one_image(name: str) -> str:
    """An image's name without the number of its caption. Flickr8k has one image named `name.jpg.1`."""
    bare = NUMBERED.sub("", name)
    return bare if re.sub(r"\.\d$", "", bare.lower()).endswith(IMAGE_ENDINGS) else name


def is_name(text: str) -> bool:
    """Whether a text is a file name, URL, path or id, or begins or ends with an image's name or a URL."""
    words = text.split()
    if len(words) == 1:
        return _is_one_name(words[0])
    if not words:
        return False
    return _is_place(_SEPARATORS.split(text.strip(), 1)[0]) or _is_place(words[-1])


def is_id(text: str) -> bool:
    """Whether a text may tell one image from another: a name, a number, or one word with digits in it."""
    return is_name(text) or (len(text.split()) == 1 and any(map(str.isdigit, text)))


def _is_place(word: str) -> bool:
    """An image's file name or a URL: what no word of a sentence is."""
    end = NUMBERED.sub("", word[-_END:]).lower()
    return bool(_URL.match(word)) or (end.endswith(IMAGE_ENDINGS) and end not in IMAGE_ENDINGS)


def _is_one_name(word: str) -> bool:
    if _is_place(word) or _LONG_NUMBER.search(word) or word.lower().endswith(_OTHER_ENDINGS):
        return True
    parts = re.split(r"[/\\]", word) if word.isascii() else [word]
    return bool(_ROOT.match(word)) or len(parts) > 2 or (len(parts) == 2 and bool(re.search(r"\d", word)))

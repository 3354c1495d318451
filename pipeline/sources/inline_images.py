"""Images that stand in a text: base64, and `data:` URIs."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

_ALPHABET = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_SHORTEST = 100  # characters: less is no image to caption, and may be a hash for a name
_MAGIC = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"P3", b"P4", b"P5", b"P6"),
    *(b"\0\0\0\x0cjP", b"\xff\x0a", b"II\xbc\x01"),
)


def is_embedded(text: str) -> bool:
    """Whether `text` is an image and no name of one: a `data:` URI, or base64 that begins as images do."""
    if text[:5].lower() == "data:":
        return True
    if len(text) < _SHORTEST or not _ALPHABET.fullmatch(text):
        return False
    try:
        head = _decoded("".join(text[:80].split())[:32])
    except binascii.Error:
        return False
    return head.startswith(_MAGIC) or head[4:8] == b"ftyp"


def embedded_size(text: str) -> int:
    """An upper bound of the image's bytes, without decoding it."""
    return len(text) if ";base64," not in text[:200] and text[:5].lower() == "data:" else len(text) // 4 * 3


def embedded_image(text: str) -> bytes:
    """The image's bytes. Raises ValueError for what is no base64."""
    if text[:5].lower() != "data:":
        return _decoded(text)
    head, comma, body = text.partition(",")
    if not comma:
        raise ValueError("the data: URI has no comma, and so no data")
    return _decoded(unquote_to_bytes(body).decode("latin-1")) if ";base64" in head else unquote_to_bytes(body)


def _decoded(text: str) -> bytes:
    """Of either alphabet, padded or not, in one line or many."""
    plain = "".join(text.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)

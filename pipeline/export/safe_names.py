"""Names of files and tar members made of image ids, which may be anything: a name never leads out of the
folder that it is written to.
"""

import re
import unicodedata

from pipeline.sources.unique import digest

_LONGEST = 200  # bytes of UTF-8; a file name may have 255, with a number, an ending, and a temporary name's
_HARMLESS = frozenset("_~#@=+,()[] -'&%!;")
_EDGES = " "


def safe_key(image_id: str) -> str:
    """The id as the key of a WebDataset sample: a relative path, whose parts hold no dots, since a
    key ends at its first dot, and do not begin with `__`, which readers pass over as hidden.

    >>> safe_key("photos/0001"), safe_key("../../etc/pass.wd"), safe_key("__x/..y")
    ('photos/0001', 'etc/pass_wd', '_x/_y')
    """
    parts = [part for part in re.split(r"[/\\]", image_id) if part.strip(". ")]
    return "/".join(_shown(_safe(part)) for part in parts) or _shown(_safe(image_id))


def flat_name(image_id: str) -> str:
    """The id as a file's name without folders or extension."""
    return _short(safe_key(image_id).replace("/", "_"))


def safe_path(shard: str) -> str:
    """A shard's id, such as `b/scenes-000.tar`, as a relative path that keeps its dots, and is not hidden."""
    parts = [part.strip() for part in re.split(r"[/\\]", shard) if part.strip(". ")]
    names = (".".join(map(_safe, part.lstrip(".").split("."))) for part in parts)
    return "/".join(_short(_shown(name)) for name in names) or "shard"


def _shown(name: str) -> str:
    return re.sub("^__+", "_", name)


def _safe(part: str) -> str:
    return _short("".join(one if _is_harmless(one) else "_" for one in part).strip(_EDGES) or "_")


def _is_harmless(character: str) -> bool:
    """Letters and digits of any script, and the marks that combine with them."""
    return character.isalnum() or character in _HARMLESS or unicodedata.category(character)[0] == "M"


def _short(name: str) -> str:
    if len(name.encode()) <= _LONGEST:
        return name
    kept = name.encode()[: _LONGEST - 17].decode(errors="ignore")
    return f"{kept}~{digest(name).hex()}"

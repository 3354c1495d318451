"""Under which of its names an image of the archive is known to a file that others made.

A row's image id is a path or a tar's name and key; a file of questions or references says `262148`,
`COCO_val2014_000000262148.jpg` or `val2014/COCO_val2014_000000262148`. One rule is chosen for a whole file,
by how many images it finds, and recorded: a name that two images share must not join either.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pipeline.formats.extensions import is_image

NameRule = Literal["image_id", "path", "name", "stem", "number", "metadata"]
NAME_RULES: tuple[NameRule, ...] = ("image_id", "path", "name", "stem", "metadata", "number")
"""From the strictest on: the whole id; it without an image's extension; the last part of its path; that
without the extension; the sample's own `image_id`, `cocoid`, `id` or `key`; the number that ends the stem."""

_OWN_NAMES = ("image_id", "cocoid", "imgid", "id", "key")
_DIGITS = re.compile(r"\d+$")


def image_name(rule: NameRule, image_id: str, metadata: str | None = None) -> str | None:
    """The name of a row under `rule`, None where it has none. `metadata` is the row's, as JSON."""
    return _own_name(metadata) if rule == "metadata" else said_name(rule, image_id)


def said_name(rule: NameRule, said: object) -> str | None:
    """What a file calls an image, in the form that `rule` compares; None for what is no name.

    >>> said_name("number", "COCO_val2014_000000262148.jpg"), said_name("number", 262148)
    ('262148', '262148')
    """
    text = _as_text(said)
    if text is None or rule in ("image_id", "metadata"):
        return text
    if rule == "name":
        return posixpath.basename(text)
    if rule == "path":
        return _without_extension(text)
    stem = _without_extension(posixpath.basename(text))
    if rule == "stem":
        return stem
    digits = _DIGITS.search(stem)
    return str(int(digits[0])) if digits else None


def best_rule(
    rows: Iterable[tuple[str, str | None]], knows: Mapping[NameRule, Callable[[str], bool]]
) -> NameRule | None:
    """The rule by which most of the names that a file has are found among `rows` (image id, metadata); the
    strictest of equals, None where none is. `knows` tells for each rule whether the file has a name.

    A name counts once, however many rows have it: else a rule that confuses images would seem the best.
    """
    found: dict[NameRule, set[str]] = {rule: set() for rule in knows}
    for image_id, metadata in rows:
        for rule, known in knows.items():
            name = image_name(rule, image_id, metadata)
            if name is not None and known(name):
                found[rule].add(name)
    best = max(NAME_RULES, key=lambda rule: len(found.get(rule, ())))
    return best if found.get(best) else None


def _own_name(metadata: str | None) -> str | None:
    if not metadata:
        return None
    try:
        fields = json.loads(metadata)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    return next((name for key in _OWN_NAMES if (name := _as_text(fields.get(key))) is not None), None)


def _as_text(said: Any) -> str | None:
    if isinstance(said, bool) or said is None:
        return None
    if isinstance(said, float):
        said = int(said) if said.is_integer() else None
    return str(said).strip() or None if isinstance(said, str | int) else None


def _without_extension(name: str) -> str:
    stem, _, extension = name.rpartition(".")
    return stem if stem and is_image(extension) else name

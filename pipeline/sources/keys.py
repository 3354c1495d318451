"""Which part of a tar member's name is its sample's key: decided once for a tar, by its first names.

WebDataset splits a base name at its first dot: `0001.jpg`, `0001.mask.png` and `0001.json` are one sample.
Names that were given for another purpose (`2105.00001.png`, `IMG_2021.05.03.jpg`) only make sense split at
the last. The two differ where a name has two dots, and there the neighbours tell.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable

from pipeline.formats.extensions import is_image, is_text
from pipeline.sources.options import KeyRule
from pipeline.storage.listing import is_hidden_member

_MOST_PARTS = 16  # dotted members that one WebDataset sample has; more share a prefix by chance


def split_name(name: str, rule: KeyRule) -> tuple[str, str] | None:
    """Key (with its folder) and extension in small letters, which may be empty; None for a name without a
    stem.
    """
    folder, base = posixpath.split(name.removeprefix("./"))
    if "." not in base:
        return (posixpath.join(folder, base), "") if base else None
    stem, _, extension = base.partition(".") if rule == "first-dot" else base.rpartition(".")
    return (posixpath.join(folder, stem), extension.lower()) if stem else None


def key_rule(names: Iterable[str]) -> KeyRule:
    """The rule by which the members of these names pair up: images with one another, and with their texts.

    A name with two dots pairs at the last where an image and a text share all before it; at the first where
    its sample has a member without the second dot, or its second extension comes back in other samples.
    """
    dotted, groups = _dotted(names)
    at_first = at_last = 0
    together: dict[str, set[bool]] = defaultdict(set)
    samples_with: dict[str, set[str]] = defaultdict(set)
    for key, tag, extension in dotted:
        together[f"{key}.{tag}"].add(is_image(extension))
        samples_with[f"{tag}.{extension}"].add(key)
    for key, tag, extension in dotted:
        plain, parts = groups[key]
        at_last += len(together[f"{key}.{tag}"]) == 2
        named = tag[:1].isalpha()
        joins = bool(plain) and (named or not any(map(is_image, plain)))
        comes_back = named and len(samples_with[f"{tag}.{extension}"]) > 1
        at_first += parts <= _MOST_PARTS and (joins or comes_back)
    return "last-dot" if dotted and at_last >= at_first else "first-dot"


def _dotted(
    names: Iterable[str],
) -> tuple[list[tuple[str, str, str]], dict[str, tuple[set[str], int]]]:
    """Key, tag and last extension of each name with two dots or more; and of each key its members without a
    tag, and how many have one.
    """
    dotted: list[tuple[str, str, str]] = []
    plain: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, int] = defaultdict(int)
    for name in names:
        named = split_name(name, "first-dot")
        if named is None or is_hidden_member(name) or not (is_image(named[1]) or is_text(named[1])):
            continue
        key, extension = named
        tag, dot, last = extension.rpartition(".")
        if dot:
            dotted.append((key, tag, last))
            parts[key] += 1
        else:
            plain[key].add(last)
    return dotted, {key: (plain[key], parts[key]) for key in {*plain, *parts}}

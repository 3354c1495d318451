"""The distinct captions of some files, and the account of all that was dropped."""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.storage.redact import printable
from pipeline.texts.clean import Reason

EXAMPLES_KEPT = 3
_EXAMPLE_CHARACTERS = 40


@dataclass(frozen=True)
class DroppedText:
    """One dropped caption: its file, its place there (`line 7`), and how its text begins, with escapes for
    what cannot be printed.
    """

    file: str
    place: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file.rsplit('/', 1)[-1]} {self.place}"
        return f"{where} '{self.text}'" if self.text else where


@dataclass
class Dropped:
    """The captions dropped for one reason, with the first few as examples."""

    count: int = 0
    examples: list[DroppedText] = field(default_factory=list)

    def add(self, file: str, place: str, text: str) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES_KEPT:
            start = " ".join(text[: 2 * _EXAMPLE_CHARACTERS].split())
            start = start if len(start) <= _EXAMPLE_CHARACTERS else start[: _EXAMPLE_CHARACTERS - 3] + "..."
            self.examples.append(DroppedText(printable(file), place, _printable(start)))


@dataclass(frozen=True)
class CaptionSet:
    """Clean captions to train on.

    `texts` are distinct and in order of first sight; `repeats` says how often each was there, at least once.
    `images` has a number for each text that is the same for texts of the same image.
    `read` counts every caption that was looked at: those in `texts` and those in `dropped`. `splits` are the
    splits that were read, where the files name any; `sources` the files, and `without_captions` those of them
    that hold none. `notes` are lines on what folders and files were taken for, and on what was left out.
    """

    texts: list[str]
    repeats: list[int]
    read: int
    dropped: dict[Reason, Dropped]
    sources: list[str]
    splits: list[str]
    without_captions: list[str]
    images: "array[int]"
    notes: list[str] = field(default_factory=list)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the distinct texts in order: no text holds the line feed that ends it here."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def summary(self) -> Iterator[str]:
        """Lines for a person: what was read and kept, then a line for each reason to drop, with examples, one
        for files without captions, and the notes.
        """
        files = "1 file" if len(self.sources) == 1 else f"{len(self.sources):,} files"
        splits = f" (splits: {', '.join(self.splits)})" if self.splits else ""
        total = sum(dropped.count for dropped in self.dropped.values())
        captions = "caption" if self.read == 1 else "captions"
        yield (
            f"{self.read:,} {captions} read from {files}{splits}; "
            f"{len(self.texts):,} distinct kept, {total:,} dropped" + (":" if total else "")
        )
        for reason, dropped in self.dropped.items():
            yield f"  {dropped.count:,} {reason}, like {'; '.join(map(str, dropped.examples))}"
        if self.without_captions:
            names = ", ".join(self.without_captions[:EXAMPLES_KEPT])
            yield f"  {len(self.without_captions):,} of the files without captions, like {names}"
        for note in self.notes:
            yield f"  {note}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

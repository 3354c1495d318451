"""Captions that people wrote of images, as a file has them: under which names, and what they say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.formats.printed_lists import list_of
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable
from pipeline.texts.columns import caption_column
from pipeline.texts.splits import plain_split

FILE_NAMES = (
    *("file_name", "filename", "image_file_name", "image_name", "image", "image_path", "path", "img"),
    *("img_path", "image_url", "coco_url", "url"),
)
IDS = ("image_id", "cocoid", "img_id", "id", "key")
"""Fields that name an image: all of the first kind that are there, and the first that is of the second."""

_FOLDERS = ("filepath", "file_path")
_GROUPS = ("domain",)
_SPLITS = ("split", "set_name")
_SPLITS_SHOWN = 10


class Fields(NamedTuple):
    """What a person may say about a reference file: which column holds captions, which names the image (both
    as they are known to be called, where None), and which splits are wanted (all, where there are none).
    """

    captions: str | None = None
    image: str | None = None
    splits: tuple[str, ...] = ()


@dataclass
class Reference:
    """An image of the file: every name that it has there, and its captions in the file's order."""

    names: tuple[object, ...]
    texts: list[str] = field(default_factory=list)
    group: str | None = None


class References:
    """The images of a file, in its order, as records are added one after another."""

    def __init__(self, file: str, fields: Fields) -> None:
        self.file, self.fields = file, fields
        self._found: dict[tuple[object, ...], Reference] = {}
        self._splits: dict[str, None] = {}
        self._wanted = set(map(plain_split, fields.splits))
        self.unreadable = 0  # records in which there is no caption or no name

    def add(self, names: tuple[object, ...], texts: Sequence[str], group: str | None = None) -> None:
        lines = [line for text in texts if (line := " ".join(text.splitlines()).strip())]
        if lines:
            self._found.setdefault(names, Reference(names, group=group)).texts += lines
        else:
            self.unreadable += 1

    def add_record(self, record: Mapping[str, Any]) -> None:
        """A JSON object, or a table's row by its column names."""
        split = next((record[key] for key in _SPLITS if isinstance(record.get(key), str)), None)
        if not self.wants(split):
            return
        names, texts = self.names_in(record), texts_in(record, self.fields.captions)
        if not names or texts is None:
            self.unreadable += 1
            return
        self.add(names, texts, next((str(record[key]) for key in _GROUPS if record.get(key)), None))

    def names_in(self, record: Mapping[str, Any]) -> tuple[object, ...]:
        if self.fields.image is not None:
            return tuple(_plain([record.get(self.fields.image)]))
        files = [record[key] for key in FILE_NAMES if key in record]
        folder = next((record[key] for key in _FOLDERS if isinstance(record.get(key), str)), None)
        if folder and files and isinstance(files[0], str):
            files.append(f"{folder.rstrip('/')}/{files[0]}")
        ids = [next((record[key] for key in IDS if record.get(key) is not None), None)]
        return tuple(_plain([*files, *ids]))

    def wants(self, split: str | None) -> bool:
        """Whether a record of this split is to be added."""
        if split is not None and len(self._splits) < _SPLITS_SHOWN:
            self._splits[split] = None
        return not self._wanted or (split is not None and plain_split(split) in self._wanted)

    @property
    def images(self) -> list[Reference]:
        return list(self._found.values())

    def check(self) -> None:
        """Raises UserError where there is no caption."""
        if self._found:
            return
        if self.fields.splits:
            there = ", ".join(map(printable, self._splits)) or "none"
            raise UserError(
                f"{self.file} has no captions of split {', '.join(self.fields.splits)}. The splits that it "
                f"names: {there}."
            )
        raise UserError(
            f"{self.file} has no captions of images that are named. Understood are COCO's annotations, "
            "Karpathy's splits, NoCaps, and records or columns with an image and its captions; name other "
            "columns with --image-column and --column."
        )


def texts_in(record: Mapping[str, Any], column: str | None) -> list[str] | None:
    """The captions of a record: a text, a list of them, or of objects with the text in `raw` (Karpathy)."""
    names = list(record)
    place = caption_column(names, column)
    value = None if place is None else record[names[place]]
    if isinstance(value, str):
        listed = list_of(value)
        value = value if listed is None else listed
    items = value if isinstance(value, list) else [value]
    texts = [item.get("raw", item.get("caption")) if isinstance(item, dict) else item for item in items]
    kept = [text for text in texts if isinstance(text, str)]
    return kept or None


def metadata_fields(metadata: str | None) -> dict[str, Any]:
    """A sample's own fields; none where its metadata is no JSON object."""
    try:
        fields = json.loads(metadata or "{}")
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _plain(names: Sequence[Any]) -> Iterator[object]:
    """Names that are text or numbers; of an image in a table its path."""
    for name in names:
        plain = name.get("path") if isinstance(name, dict) else name
        if isinstance(plain, str | int | float) and not isinstance(plain, bool):
            yield plain

"""What a format is: it writes examples to a file as one kind of trainer loads them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Literal

import pyarrow as pa

from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable
from pipeline.export.whole_file import whole_file
from pipeline.formats.image_format import HEAD_BYTES, image_format
from pipeline.sources.metadata import metadata_json
from pipeline.storage.errors import UserError

Notes = Mapping[str, int]
"""What a person should know of how examples were written, counted."""

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""A column of images, as `datasets` holds them."""

_EXTENSIONS = {"JPEG": "jpg", "TIFF": "tif", "JPEG 2000": "jp2", "JPEG XL": "jxl", "PNM": "ppm"}


@dataclass(frozen=True)
class Example:
    """A row of the run's table. `fields` are its columns by name, with the caption that is exported
    in `caption`, which is the image's own where the run made none (`is_own`); `captions` are the best
    candidates, where several were asked for, with their `scores`; `image` is the file as it lies in the
    source.
    """

    fields: dict[str, Any]
    captions: Sequence[str] = ()
    scores: Sequence[float | None] = ()
    image: bytes | None = None
    is_own: bool = False

    @property
    def image_id(self) -> str:
        return str(self.fields["image_id"])

    @property
    def caption(self) -> str | None:
        return self.fields.get("caption")

    @property
    def made_caption(self) -> str | None:
        """What the run made, which may be nothing where the image had a caption."""
        return None if self.is_own else self.caption

    @property
    def extension(self) -> str:
        """Of the image, by its content: `jpg`."""
        kind = image_format((self.image or b"")[:HEAD_BYTES])
        return _EXTENSIONS.get(kind or "", (kind or "img").lower())

    def record(self) -> dict[str, Any]:
        """All that is told of it but the image."""
        return {**self.fields, "captions": list(self.captions)} if self.captions else self.fields


@dataclass(frozen=True)
class Place:
    """Which file of an export: the `number`th of `total` of its split. `shard` is its name, where each
    shard has a file.
    """

    split: str | None
    number: int
    total: int
    shard: str | None = None

    @property
    def name(self) -> str:
        """As Hugging Face numbers files."""
        return f"{self.split or 'train'}-{self.number:05d}-of-{self.total:05d}"


class Format(ABC):
    """One is built for an export and travels to where its files are written. It raises UserError for
    a run, or for options, that it cannot write.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    """What it is, where formats are listed."""
    ending: ClassVar[str] = ""
    """Of its files' names."""
    options: ClassVar[frozenset[str]] = frozenset()
    """Those of `ExportOptions` that are its own."""
    needs: ClassVar[Literal["caption", "answers"] | None] = None
    """The column that every example has; a run may lack the other."""
    with_images: bool = False
    per_file: ClassVar[int | None] = 1_000_000
    """Rows per file, where none is asked for; None for a format that is one file."""
    shard_names: dict[str, str] | None = None
    """What the file of each shard is called, by the shard's stem, where each has one of its own."""
    schema: pa.Schema | None = None
    """Of the records in its files, where they load as one."""

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        self.several = options.captions != 1
        self.columns = [name for name in table.files.schema.names if self.reads(name)]

    def reads(self, column: str) -> bool:
        """Whether the examples have this column of the table. None has an error; `candidates` are dear."""
        return column not in ("candidates", "error")

    def prepare(self, rows: Callable[[Sequence[str]], Iterator[dict[str, Any]]]) -> None:
        """Look at the rows that are exported, of which `rows` gives columns, before any is written."""
        return

    def file_name(self, place: Place) -> str:
        """A relative path."""
        return f"{place.name}.{self.ending}"

    def files_of(self, split: str) -> str | None:
        """A pattern that a split's files match and no others, where Hugging Face's `datasets` loads them: it
        then finds every split by the card of the export (`dataset_card.py`), whatever its name.
        """
        return None

    def loaded_schema(self, extensions: Sequence[str]) -> pa.Schema | None:
        """Of the rows that `datasets` makes of its files, whose images have these extensions. None leaves it
        to tell the types by the rows that it meets first.
        """
        return self.schema

    def write_part(self, examples: Iterable[Example], place: Place, folder: str) -> Notes:
        """Write one file into the folder or URL, whole or not at all. Raises RunError."""
        with whole_file(f"{folder}/{self.file_name(place)}") as file:
            return self.write(examples, file) or {}

    @abstractmethod
    def write(self, examples: Iterable[Example], file: BinaryIO) -> Notes | None:
        """Write one file's content; holds few examples at a time."""


def json_line(record: dict[str, Any]) -> bytes:
    """A record as JSON on one line of ASCII: no character in it ends a line early, whatever reads it."""
    try:
        text = json.dumps(record, allow_nan=False)
    except ValueError:  # a score that is no number
        text = json.dumps(json.loads(metadata_json(record) or "{}"))
    return text.encode() + b"\n"


def table_schema(table: RunTable, columns: Sequence[str], several: bool) -> pa.Schema:
    """Of the records that a format with these columns writes."""
    fields = [table.files.schema.field(name) for name in columns]
    if several:
        fields.append(pa.field("captions", pa.list_(pa.string())))
    return pa.schema(fields)


def only_one_caption(options: ExportOptions, what: str) -> None:
    """Raises UserError where several captions of an image are asked of a format that has one."""
    if options.captions != 1:
        raise UserError(f"--captions: {what} have one caption of each image. Leave the option out.")

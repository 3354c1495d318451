"""Parquet files with images: as bytes, as a struct of bytes and path (Hugging Face datasets writes these), as
base64, as paths or as URLs.

A file is a shard and is read in small batches, page by page, so that the size of its row groups does not
matter. The other columns are the samples' metadata, but for what is binary in them; a cell of theirs that
cannot be told is null in it, and never costs the image.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources.image_column import check_columns, image_column, is_binary
from pipeline.sources.image_files import RefusedError, check_images, image_file, image_root
from pipeline.sources.inline_images import embedded_image, embedded_size, is_embedded
from pipeline.sources.metadata import byte_length, metadata_json, told_values
from pipeline.sources.options import SourceOptions
from pipeline.sources.sample import MAX_BYTES, Sample
from pipeline.sources.shard import ImageRoot, Shard
from pipeline.sources.source import Location, Planned, Source, whole_file
from pipeline.sources.unique import UniqueIds
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_blocks
from pipeline.storage.redact import describe, printable, redacted

_ROWS = 32  # a batch, at most
_BATCH_BYTES = 16 << 20  # and as a rule
_ID_NAMES = ("__key__", "key", "image_id", "id")
_LONGEST_NAME = 500  # characters of an id
_LONGEST_PATH = 32 << 10


@dataclass(frozen=True)
class ParquetArgs(ImageRoot):
    """`column` is the one of images, where its name does not tell."""

    column: str = ""


class ParquetFiles(Source[ParquetArgs]):
    """Each file is a shard."""

    name = "parquet"
    what = "Parquet file"
    endings = (".parquet",)
    in_folders = True
    args = ParquetArgs
    checks_state = True

    def plan(
        self, location: Location, options: SourceOptions, pinned: Sequence[Shard[ParquetArgs]]
    ) -> Planned:
        root, confined = image_root(options, location.url)
        args = ParquetArgs(root, confined, column=options.image_column or "")
        return Planned([whole_file(self.name, location, args)])

    def check(self, shards: Sequence[Shard[ParquetArgs]]) -> None:
        """That each file has a column of images, and these lie where they are looked for."""
        check_columns([(shard.url, shard.args.column) for shard in shards])
        check_images(shards[0], read_parquet(shards[0]))

    def read(self, shard: Shard[ParquetArgs], max_bytes: int) -> Iterator[Sample]:
        return read_parquet(shard, max_bytes)


def read_parquet(shard: Shard[ParquetArgs], max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The rows of one file, in order. Raises OSError or ValueError where the file cannot be read on, or has
    no column of images: the files before it had one.
    """
    ids, prefix = UniqueIds(), _prefix(shard)
    with open_blocks(*locate(shard.url)) as source:
        file = pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        schema = file.schema_arrow
        try:
            column = image_column(schema, shard.args.column)
        except UserError as error:
            raise ValueError(str(error)) from None
        key = next((name for name in _ID_NAMES if schema.names.count(name) == 1 and name != column), None)
        row = 0
        leaves = _leaves(schema, column)
        for batch in file.iter_batches(_batch_rows(file, leaves), columns=_paths(file, leaves)):
            for image, fields, notes in _rows(batch, column):
                content, path, wrong = _parts(image)
                name = _name(fields.get(key) if key else None, path) or f"{row:08d}"
                image_id = ids.unique(f"{prefix}/{name}")
                row += 1
                metadata = metadata_json(fields, notes, max_bytes)
                if content is None and not path:
                    wrong = f"column {column} {wrong or 'is empty'}"
                    yield Sample(image_id, metadata=metadata, error=wrong)
                else:
                    held = content if content is not None else path
                    yield _sample(shard, image_id, held, metadata, max_bytes)


def _prefix(shard: Shard[ParquetArgs]) -> str:
    """What the ids of its rows begin with."""
    return shard.prefix or re.sub(r"\.parquet$", "", shard.id, flags=re.IGNORECASE)


def _rows(batch: pa.RecordBatch, image: str) -> Iterator[tuple[pa.Scalar, dict[str, Any], dict[str, str]]]:
    """The image of each row, its other fields, and why some of these are null."""
    images = batch[image]
    others = [
        (name, *told_values(column))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if name != image
    ]
    for row in range(batch.num_rows):
        fields = {name: values[row] for name, values, _ in others}
        yield images[row], fields, {name: notes[row] for name, _, notes in others if row in notes}


def _sample(
    shard: Shard[ParquetArgs],
    image_id: str,
    content: bytes | str | None,
    metadata: str | None,
    max_bytes: int,
) -> Sample:
    """Of an image's bytes, or a text that holds or names it."""
    told = byte_length(metadata)
    if isinstance(content, bytes):
        return Sample(image_id, len(content) + told, partial(bytes, content), metadata)
    text = content or ""
    if is_embedded(text):
        return Sample(image_id, embedded_size(text) + told, partial(embedded_image, text), metadata)
    if len(text) > _LONGEST_PATH:
        error = f"a text of {len(text)} characters is no path or URL, nor the base64 of an image"
        return Sample(image_id, metadata=metadata, error=error)
    try:
        load = image_file(shard, text, max_bytes)
    except RefusedError as refused:
        return Sample(image_id, metadata=metadata, error=describe(refused))
    return Sample(image_id, 0, load, metadata, ahead=load.ahead)


def _parts(image: pa.Scalar) -> tuple[bytes | None, str | None, str | None]:
    """Bytes and path of an image, whichever there is, and what is wrong with either."""
    if not image.is_valid:
        return None, None, None
    content = path = wrong = None
    is_struct = pa.types.is_struct(image.type)
    for part in [image[name] for name in ("bytes", "path") if name in image] if is_struct else [image]:
        try:
            value = part.as_py()
        except UnicodeDecodeError:
            wrong = "holds a text that is not UTF-8"
            continue
        content = value if isinstance(value, bytes) else content
        path = value if isinstance(value, str) else path
    return content, path, wrong


def _name(key: Any, path: str | None) -> str | None:
    """The sample's name, without the secrets of a URL; None where neither an id nor a path gives one."""
    named = key is not None and key != "" and key == key and not isinstance(key, bytes | list | dict)
    if named:
        name = printable(redacted(str(key)))
    elif path and not is_embedded(path):
        name = printable(redacted(path))
    else:
        return None
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:200]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _leaves(schema: pa.Schema, image: str) -> list[int]:
    """The columns to read, counted as the file stores them: the image's, and what is not binary of others."""
    chosen: list[int] = []
    count = 0
    for field in schema:
        kinds = list(_leaf_kinds(field.type))
        wanted = [field.name == image or not binary for binary in kinds]
        if pa.types.is_map(field.type) and not all(wanted):  # a map cannot be read in part
            wanted = [False] * len(kinds)
        chosen += [count + number for number, want in enumerate(wanted) if want]
        count += len(kinds)
    return chosen


def _leaf_kinds(kind: pa.DataType) -> Iterator[bool]:
    """Whether each leaf of a type is binary."""
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            yield False
        else:
            yield from _leaf_kinds(kind.storage_type)
    elif pa.types.is_map(kind):
        yield from _leaf_kinds(kind.key_type)
        yield from _leaf_kinds(kind.item_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaf_kinds(field.type)
    elif pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        yield from _leaf_kinds(kind.value_type)
    else:
        yield is_binary(kind)


def _paths(file: pq.ParquetFile, leaves: list[int]) -> list[str]:
    return [file.schema.column(leaf).path for leaf in leaves]


def _batch_rows(file: pq.ParquetFile, leaves: list[int]) -> int:
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    most = max(
        (
            sum(group.column(leaf).total_uncompressed_size for leaf in leaves) // max(1, group.num_rows)
            for group in groups
        ),
        default=0,
    )
    return max(1, min(_ROWS, _BATCH_BYTES // max(1, most)))

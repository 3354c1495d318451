"""Which column of a Parquet file holds the images, and whether it is one that can be read.

Read are bytes, texts (paths, URLs, base64, `data:` URIs), structs with `bytes` or `path` (Hugging Face), and
each of these behind a dictionary. Everything else is refused before a run begins.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_blocks
from pipeline.storage.redact import printable, shown

Kind = Literal["bytes", "text", "struct"]

_BYTES_NAMES = ("image", "jpg", "jpeg", "png", "webp", "img", "image_bytes", "bytes", "content")
_TEXT_NAMES = (
    *("image", "file_name", "filename", "image_path", "img_path", "path", "filepath", "file_path", "file"),
    *("image_file", "image_url", "img_url", "url", "coco_url", "flickr_url", "uri", "image_uri"),
    *("jpg", "jpeg", "png", "webp", "img", "image_base64", "base64", "b64"),
)
_CHECKED = 256  # footers read before a run begins, at most
_CHECK_SECONDS = 60  # and for so long: a storage that does not answer is no mistake of the user's


def image_kind(kind: pa.DataType) -> Kind | None:
    """How images stand in a column of this type; None where they cannot."""
    if pa.types.is_dictionary(kind):
        inner = image_kind(kind.value_type)
        return inner if inner != "struct" else None
    if pa.types.is_struct(kind):
        has_bytes = _is_child(kind, "bytes", is_binary)
        return "struct" if has_bytes or _is_child(kind, "path", is_text) else None
    if is_binary(kind):
        return "bytes"
    return "text" if is_text(kind) else None


def is_binary(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return pa.types.is_fixed_size_binary(kind) or any(test(kind) for test in tests)


def is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def image_column(schema: pa.Schema, wanted: str = "") -> str:
    """The column with the images. Raises UserError where it cannot be told, or holds none."""
    columns = ", ".join(printable(f"{field.name} ({_short(field.type)})") for field in schema)
    if wanted:
        _check_named(schema, wanted, columns)
        return wanted
    # by what writes the file says of it; by the kinds that can be nothing else; by name
    tiers = [
        [name for name in _hugging_face_images(schema) if name in schema.names],
        _named(schema, _BYTES_NAMES, ("bytes", "struct")),
        _named(schema, _TEXT_NAMES, ("text",)),
    ]
    for found in tiers:
        if len(found) > 1:
            found = [name for name in found if name.lower() == "image"] or found
        if len(found) > 1:
            raise UserError(
                f"the images may be in any of the columns {', '.join(found)}. "
                "Say which holds them with --image-column."
            )
        if found:
            _check_named(schema, found[0], columns)
            return found[0]
    for field in schema:
        if _is_list(field.type) and field.name.lower().rstrip("s") in _BYTES_NAMES:
            _check_named(schema, field.name, columns)
    raise UserError(
        f"which column holds the images cannot be told from {columns}. Name it with --image-column."
    )


def check_columns(files: Sequence[tuple[str, str]]) -> None:
    """Read the footers of Parquet files, of at most 256 spread evenly, before a run begins. They are given by
    URL, each with the column that is named for it.

    Raises UserError, with the file, where the column of images is missing or holds none. A file that cannot
    be read is no mistake of the user's: its shard will say so in a row.
    """
    step = max(1, -(-len(files) // _CHECKED))
    pool = ThreadPoolExecutor(16, thread_name_prefix="footers")
    try:
        checks = [pool.submit(_problem, *file) for file in files[::step]]
        done, _ = wait(checks, timeout=_CHECK_SECONDS)
        for check in (check for check in checks if check in done):
            if problem := check.result():
                raise UserError(problem)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _problem(url: str, column: str) -> str | None:
    try:
        with open_blocks(*locate(url)) as source:
            schema = pq.ParquetFile(source, pre_buffer=False).schema_arrow
    except (OSError, ValueError, pa.ArrowException):
        return None
    try:
        image_column(schema, column)
    except UserError as error:
        return f"{shown(url)}: {error}"
    return None


def _check_named(schema: pa.Schema, name: str, columns: str) -> None:
    times = schema.names.count(name)
    if times != 1:
        there = f"there are {times} columns" if times else "there is no column"
        raise UserError(f"{there} {name!r}; the columns are {columns}. Name one with --image-column.")
    kind = schema.field(name).type
    if image_kind(kind) is not None:
        return
    fix = "Name another with --image-column, or write the images as bytes, paths or URLs."
    if _is_list(kind):
        fix = "Write one image a row (in pandas: explode), or name another column with --image-column."
    raise UserError(f"column {name!r} holds {_short(kind)}, not images; the columns are {columns}. {fix}")


def _named(schema: pa.Schema, names: tuple[str, ...], kinds: tuple[Kind, ...]) -> list[str]:
    return [field.name for field in schema if field.name.lower() in names and image_kind(field.type) in kinds]


def _hugging_face_images(schema: pa.Schema) -> list[str]:
    """The columns that `datasets` wrote as images, by what it leaves in the file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) and not pa.types.is_struct(kind))


def _is_child(kind: pa.StructType, name: str, test: Callable[[pa.DataType], bool]) -> bool:
    index = kind.get_field_index(name)
    return index >= 0 and test(kind.field(index).type)


def _short(kind: pa.DataType) -> str:
    return str(kind) if len(str(kind)) <= 60 else f"{str(kind)[:57]}..."

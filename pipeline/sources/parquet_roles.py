"""Which Parquet files of a folder hold images, and which are tables about images that lie beside them.

img2dataset writes `00000.parquet` beside `00000.tar` or the folder `00000/`: its rows are those images again,
by the URL they came from. Captioning both would be each image twice.
"""

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.formats.extensions import IMG2DATASET_STATISTICS
from pipeline.sources.image_column import image_column, image_kind
from pipeline.sources.tree import Directory
from pipeline.sources.webdataset import TARS, tar_stem
from pipeline.storage.errors import UserError
from pipeline.storage.files import open_blocks
from pipeline.storage.listing import Entry
from pipeline.storage.redact import printable

_LOOKED_INTO = 32  # files whose columns are read: more of one folder are of one kind

_Role = Literal["images", "urls", "table"]


def tables_of_images(
    filesystem: AbstractFileSystem, files: Sequence[tuple[Directory, Entry]], loose_images: int
) -> set[str]:
    """Paths of the Parquet files among `files` that hold no image bytes, where tars or `loose_images` lie in
    the same SOURCE.

    Raises UserError where such a file names images by URL and lies beside no tar or folder of its name: they
    may be others. Raises OSError.
    """
    parquet = [(directory, entry) for directory, entry in files if _is_parquet(entry)]
    if not parquet or (len(parquet) == len(files) and not loose_images):
        return set()
    tables = set()
    roles = _roles(filesystem, [entry for _, entry in parquet])
    for (directory, entry), role in zip(parquet, roles, strict=True):
        if role == "urls" and not _has_twin(directory, entry.name):
            raise UserError(
                f"it holds images or tars, and {printable(entry.path)} names images by URL, which may be "
                "others. Caption the Parquet files with a pattern ('.../*.parquet'), and the images from a "
                "folder of their own."
            )
        if role != "images":
            tables.add(entry.path)
    return tables


def tables_by_name(filesystem: AbstractFileSystem, files: Sequence[Entry]) -> set[str]:
    """Paths of the Parquet files that hold no image bytes and have a tar of their name among `files`, or
    img2dataset's statistics of it: what a pattern of its output matches. Raises OSError.
    """
    others = [entry.path for entry in files if not _is_parquet(entry)]
    named = {tar_stem(path) for path in others if path.lower().endswith(TARS)}
    end = IMG2DATASET_STATISTICS
    named |= {path.removesuffix(end) for path in others if path.endswith(end)}
    twins = [entry for entry in files if _is_parquet(entry) and entry.path[: -len(".parquet")] in named]
    roles = _roles(filesystem, twins)
    return {entry.path for entry, role in zip(twins, roles, strict=True) if role != "images"}


def _is_parquet(entry: Entry) -> bool:
    return entry.name.lower().endswith(".parquet")


def _roles(filesystem: AbstractFileSystem, parquet: Sequence[Entry]) -> list[_Role]:
    found = [_role(filesystem, entry.path) for entry in parquet[:_LOOKED_INTO]]
    most: _Role = "images" if "images" in found else next(iter(found), "images")
    return found + [most] * (len(parquet) - len(found))


def _role(filesystem: AbstractFileSystem, path: str) -> _Role:
    try:
        with open_blocks(filesystem, path) as source:
            schema = pq.read_schema(source)
        if any(image_kind(field.type) in ("bytes", "struct") for field in schema):
            return "images"
        name = image_column(schema).lower()
    except (pa.ArrowException, ValueError):
        return "images"  # damaged: reading it will say so
    except UserError:  # nothing in it names images
        return "table"
    return "urls" if "url" in name or "uri" in name else "table"


def _has_twin(directory: Directory, name: str) -> bool:
    stem = name[: -len(".parquet")]
    return stem in directory.folders or any(f"{stem}{ending}" in directory.files for ending in TARS)

"""Which Parquet files of a folder hold images, and which are tables about images that lie beside them.

img2dataset writes `00000.parquet` beside `00000.tar` or the folder `00000/`: its rows are those images again,
by the URL they came from. Captioning both would be each image twice.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import open_blocks
from pipeline.listing import Entry
from pipeline.sources.image_column import image_kind
from pipeline.sources.tree import Directory

_LOOKED_INTO = 32  # files whose columns are read: more of one folder are of one kind


def tables_of_images(
    filesystem: Any, files: Sequence[tuple[Directory, Entry]], loose_images: int
) -> set[str]:
    """Paths of the Parquet files among `files` that hold no image bytes, where tars or `loose_images` lie in
    the same SOURCE. Raises OSError.
    """
    parquet = [entry for _, entry in files if entry.name.lower().endswith(".parquet")]
    if not parquet or (len(parquet) == len(files) and not loose_images):
        return set()
    looked_into = {entry.path: _holds_images(filesystem, entry.path) for entry in parquet[:_LOOKED_INTO]}
    with_images = any(looked_into.values())
    return {entry.path for entry in parquet if not looked_into.get(entry.path, with_images)}


def _holds_images(filesystem: Any, path: str) -> bool:
    try:
        with open_blocks(filesystem, path) as source:
            schema = pq.read_schema(source)
    except (pa.ArrowException, ValueError):
        return True  # damaged: reading it will say so
    return any(image_kind(field.type) in ("bytes", "struct") for field in schema)

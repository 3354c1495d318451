"""COCO-style JSON: `images`, each with the `file_name` of a file below a root, or a bare list of these.

Every `IMAGES_A_SHARD` images are a shard, and a shard is read by streaming through the file up to its end:
the driver never holds the names of a whole archive. An image's own entry is its metadata.
"""

import io
import json
import posixpath
from collections.abc import Iterator
from itertools import islice

from pipeline.errors import UserError
from pipeline.files import locate, open_stream
from pipeline.redact import printable, redacted
from pipeline.sources.parquet import image_at
from pipeline.sources.sample import Sample, Shard
from pipeline.sources.unique import UniqueIds
from pipeline.texts.json_stream import JsonStream

IMAGES_A_SHARD = 4096


def plan_coco(url: str, root: str, images_a_shard: int = IMAGES_A_SHARD) -> tuple[list[Shard], int]:
    """Shards, and how many images there are. Raises UserError for JSON that names none."""
    count = sum(1 for _ in _entries(url))
    if not count:
        raise UserError(
            f"SOURCE {redacted(url)} names no images: it must hold `images` with a `file_name` each, as COCO "
            "does."
        )
    name = printable(posixpath.basename(url).removesuffix(".json"))
    starts = range(0, count, images_a_shard)
    return [
        Shard(f"{name}-{n:06d}", "coco", url, str(start), str(start + images_a_shard), root=root)
        for n, start in enumerate(starts)
    ], count


def read_coco(shard: Shard) -> Iterator[Sample]:
    """The images of one shard, read one at a time when loaded. Raises ValueError for damaged JSON."""
    ids = UniqueIds()
    for entry in islice(_entries(shard.url), int(shard.first), int(shard.last)):
        name = str(entry["file_name"])
        metadata = printable(json.dumps(entry, ensure_ascii=False))
        yield Sample(ids.unique(printable(name)), 0, image_at(shard.root, name), metadata)


def _entries(url: str) -> Iterator[dict[str, object]]:
    with open_stream(*locate(url)) as stream:
        for key, element in JsonStream(io.TextIOWrapper(stream, encoding="utf-8-sig")).elements():
            if key in ("images", None) and isinstance(element, dict) and "file_name" in element:
                yield element

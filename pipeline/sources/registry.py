"""The sources of images. A new one is a class in a file of its own, and a line here.

Of several that recognise a file or folder, the first one reads it.
"""

import json
from typing import Any

from pipeline.sources.coco import CocoJson
from pipeline.sources.folder import ImageFolder
from pipeline.sources.kept_features import KeptFeatures
from pipeline.sources.parquet import ParquetFiles
from pipeline.sources.shard import Shard
from pipeline.sources.source import Location, Source
from pipeline.sources.webdataset import WebDatasetTars
from pipeline.storage.errors import UserError

FILES: tuple[Source[Any], ...] = (
    WebDatasetTars(),
    ParquetFiles(),
    CocoJson(),
)
SOURCES: tuple[Source[Any], ...] = (KeptFeatures(), ImageFolder(FILES), *FILES)


def recognised(location: Location) -> Source[Any] | None:
    """The source that reads it."""
    return next((source for source in SOURCES if source.recognises(location)), None)


def source_of(shard: Shard) -> Source[Any]:
    """The source that planned it. Raises UserError for one of another version's."""
    return _named(shard.source)


def shard_from_json(text: str) -> Shard:
    """The inverse of `Shard.to_json`."""
    recorded = json.loads(text)
    return Shard.of(recorded, _named(recorded["kind"]).args)


def endings() -> tuple[str, ...]:
    """Of the names of the files that need not be named alone."""
    return tuple(ending for source in FILES if source.in_folders for ending in source.endings)


def whats(*, in_folders: bool) -> str:
    """The files that are read in words: `tar, Parquet file or COCO JSON`."""
    words = [source.what for source in FILES if source.in_folders or not in_folders]
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _named(name: str) -> Source[Any]:
    for source in SOURCES:
        if source.name == name:
            return source
    raise UserError(
        f"a shard was planned by the source {name!r}, which this MacCap does not have. "
        "Use the version that began the run."
    )

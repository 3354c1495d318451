"""A run folder whose table keeps CLIP's features, as a source: captions anew, without images.

A shard is a shard of that run and its chunks are that run's, so the rows come out in the same order under the
same ids, and with the same model, seed and decoding as the same captions.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import CHUNK_KEY, Chunk, file_name, parse_file_name
from pipeline.sources.options import SourceOptions
from pipeline.sources.sample import ChunkLimits, Sample
from pipeline.sources.shard import Shard, ShardArgs
from pipeline.sources.source import Location, Planned, Source
from pipeline.storage.errors import UserError
from pipeline.storage.files import file_kind, locate
from pipeline.storage.folder import Folder
from pipeline.storage.listing import Entry, entries
from pipeline.storage.redact import redacted

COLUMNS = ["image_id", "shard", "index", "metadata", "error", "width", "height", "global", "features"]


@dataclass(frozen=True)
class KeptArgs(ShardArgs):
    """`last` is the position of the shard's last chunk."""

    last: str = ""

    def begins(self, shard_id: str) -> str:
        return shard_id


class KeptFeatures(Source[KeptArgs]):
    """A run folder; each of its files is a chunk again."""

    name = "captioned"
    what = "run that keeps features"
    args = KeptArgs
    columns = tuple(COLUMNS)

    def recognises(self, location: Location) -> bool:
        if not location.is_folder:
            return False
        filesystem, path = locate(location.url)  # of a chain the path is that inside
        return file_kind(filesystem, f"{path.rstrip('/')}/run.json") is not None

    def plan(self, location: Location, options: SourceOptions, pinned: Sequence[Shard[KeptArgs]]) -> Planned:
        return Planned(_shards(location.url), taken_for=f"a {self.what}")

    def read(self, shard: Shard[KeptArgs], max_bytes: int) -> Iterator[Sample]:
        """The ids and metadata of one shard's rows, as samples without images. Raises OSError."""
        for _, table in _files(shard, (), ["image_id", "metadata"]):
            for image_id, metadata in zip(
                table["image_id"].to_pylist(), table["metadata"].to_pylist(), strict=True
            ):
                yield Sample(image_id, metadata=metadata)

    def chunks(
        self,
        shard: Shard[KeptArgs],
        limits: ChunkLimits,
        skip: Mapping[int, range],
        progress: Callable[[int], object] | None,
    ) -> Iterator[Chunk]:
        """The files, with the columns a chunk has once its features are there."""
        for position, table in _files(shard, skip, COLUMNS):
            last = json.loads(table.schema.metadata[CHUNK_KEY])["last"]
            yield Chunk(shard.id, position, last, table.replace_schema_metadata(None))


def _shards(url: str) -> list[Shard[KeptArgs]]:
    """Of the run in folder `url`. Raises UserError where it is incomplete or keeps no features."""
    run = Folder(url)
    facts = json.loads(run.read("run.json") or b"{}")
    if not facts.get("keep_features"):
        raise UserError(
            f"SOURCE {redacted(url)} is a run whose table keeps no features. Give the images it was made "
            "from, or make it with --keep-features."
        )
    if run.read("_SUCCESS") is None:
        raise UserError(f"SOURCE {redacted(url)} is a run that is not complete. Finish it first.")
    captions = f"{run.url}/captions"
    files: dict[str, list[tuple[int, Entry]]] = {}
    for entry in entries(*locate(captions)):
        if key := parse_file_name(entry.name):
            files.setdefault(key[0], []).append((key[1], entry))
    return [_shard(stem, captions, files[stem]) for stem in sorted(files)]


def _shard(stem: str, captions: str, files: list[tuple[int, Entry]]) -> Shard[KeptArgs]:
    told = json.dumps(
        [(position, entry.size, entry.state) for position, entry in sorted(files, key=lambda file: file[0])]
    )
    return Shard(
        stem,
        "captioned",
        captions,
        KeptArgs(last=str(max(position for position, _ in files))),
        size=sum(entry.size for _, entry in files),
        state=hashlib.sha256(told.encode()).hexdigest()[:32],
    )


def _files(
    shard: Shard[KeptArgs], skip: Collection[int], columns: list[str]
) -> Iterator[tuple[int, pa.Table]]:
    """The shard's files by position, of each these columns. Raises OSError."""
    folder = Folder(shard.url)
    for position in range(int(shard.args.last) + 1):
        if position not in skip:
            with folder.open(file_name(shard.id, position)) as file:
                yield position, pq.ParquetFile(file).read(columns=columns)

"""The table that is exported: its files, columns and shards, and its rows as plain dictionaries."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import CHUNK_KEY, shard_file_stem
from pipeline.formats.array_columns import is_half
from pipeline.inspect.caption_table import caption_files
from pipeline.run.facts import RunFacts
from pipeline.run.run_folder import existing_run
from pipeline.sources import Shard
from pipeline.sources.webdataset import WebDatasetTars
from pipeline.storage.errors import UserError
from pipeline.storage.folder import Folder, reading
from pipeline.storage.redact import describe, printable


class CaptionFiles:
    """The files of a run's table at the URL `captions`, each read as rows of one `schema`: a column
    that a file of another version has not is null. Small: it travels to the workers.
    """

    def __init__(self, captions: str, schema: pa.Schema) -> None:
        self.url, self.schema = captions, schema

    def read(self, name: str, columns: Collection[str]) -> pa.Table:
        """These columns of a file, in the schema's order. Raises UserError where it cannot be read."""
        try:
            with Folder(self.url).open(name) as source:
                file = pq.ParquetFile(source)
                there = set(file.schema_arrow.names)
                fields = [field for field in self.schema if field.name in columns]
                read = file.read(columns=[field.name for field in fields if field.name in there])
                arrays = [
                    _cast(read[field.name], field.type)
                    if field.name in there
                    else pa.nulls(file.metadata.num_rows, field.type)
                    for field in fields
                ]
                mark = (file.schema_arrow.metadata or {}).get(CHUNK_KEY, b"")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(f"RUN: {self.url}/{printable(name)} cannot be read: {describe(error)}") from None
        schema = pa.schema(fields, {CHUNK_KEY: mark})
        return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class RunTable:
    """A run's facts, the names of its files in order, and the shards that it was planned on."""

    facts: RunFacts
    files: CaptionFiles
    names: list[str]
    shards: dict[str, Shard]  # by the stem of their files
    is_finished: bool = True

    @classmethod
    def open(cls, run: str) -> "RunTable":
        """Raises UserError where there is no run, or none of its rows is written yet."""
        folder, facts = existing_run(run)
        names = caption_files(folder.captions, run)
        shards = {shard_file_stem(shard.id): shard for shard in folder.planned() or []}
        with reading(folder.top.url):
            is_finished = folder.finished() is not None
        files = CaptionFiles(folder.captions.url, _schema(folder.captions, names[0], facts))
        return cls(facts, files, names, shards, is_finished)

    @cached_property
    def columns(self) -> frozenset[str]:
        return frozenset(self.files.schema.names)

    @property
    def of_tars(self) -> bool:
        """Whether every shard is a WebDataset tar."""
        return bool(self.shards) and all(one.source == WebDatasetTars.name for one in self.shards.values())


def _schema(captions: Folder, name: str, facts: RunFacts) -> pa.Schema:
    """The first file's columns and those that the run's stages make now, without CLIP's features. Scores of
    heads, a map that few trainers load, are a struct with a field for each.
    """
    try:
        with captions.open(name) as file:
            first = pq.read_schema(file).remove_metadata()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"RUN: {captions.url}/{printable(name)} cannot be read: {describe(error)}") from None
    later = [field for field in facts.table_schema() if field.name not in first.names]
    scores = pa.struct([(head, pa.float32()) for head in facts.score_heads])
    fields = [pa.field(one.name, scores) if pa.types.is_map(one.type) else one for one in [*first, *later]]
    return pa.schema([one for one in fields if not is_half(one.type) and one.type != pa.struct([])])


def _cast(column: pa.ChunkedArray, to: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_map(column.type):
        return pa.array(column.to_pylist(maps_as_pydicts="lossy"), to)
    return column.cast(to)

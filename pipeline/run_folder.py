"""The output folder of a run, which is also its checkpoint.

    run.json            first: what was captioned, with which model and settings
    captions/*.parquet  one file a chunk
    summary.json        then the totals
    _SUCCESS            last, and only once every chunk of every shard is there

A resume looks at the files alone: a shard whose last chunk and all before it are written is not read again,
and of any other the written chunks are skipped. What is held in memory is a number a chunk, never an id a
row.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from pydantic import ValidationError

from maccap.config import Config, DecodingConfig
from pipeline.chunk import file_name, parse_file_name, shard_file_stem
from pipeline.errors import RunError, UserError
from pipeline.sources.sample import describe
from pipeline.storage import Folder
from pipeline.torch_runtime import Precision
from pipeline.write import ChunkFooter, read_footer

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
SUCCESS_FILE = "_SUCCESS"
CAPTIONS = "captions"


class RunFacts(Config):
    """What decides the caption table. A resume must agree on all but `model` (its URL) and `version`."""

    source: str
    listing: str | None
    model: str
    model_fingerprint: str
    decoding: DecodingConfig
    seed: int
    chunk_rows: int
    chunk_bytes: int
    max_pixels: int
    reduce_jpegs: bool = False  # runs of earlier versions did not
    precision: Precision
    version: str

    def for_footer(self) -> dict[str, Any]:
        """The facts that belong in each file: not where things lay, so that a file is the same on any
        machine.
        """
        return self.model_dump(exclude={"source", "listing", "model"})


@dataclass
class ShardProgress:
    """The chunks of one shard that are written."""

    positions: list[int] = field(default_factory=list)
    final: int | None = None

    @property
    def complete(self) -> bool:
        if self.final is None:
            return False
        return sum(position <= self.final for position in self.positions) == self.final + 1


@dataclass
class WrittenChunks:
    """What a run folder holds: totals, and the written chunks by shard."""

    chunks: int = 0
    rows: int = 0
    errors: int = 0
    _shards: dict[str, ShardProgress] = field(default_factory=dict)

    def add(self, stem: str, position: int, footer: ChunkFooter) -> None:
        progress = self._shards.setdefault(stem, ShardProgress())
        progress.positions.append(position)
        if footer.last:
            progress.final = position if progress.final is None else min(position, progress.final)
        self.chunks += 1
        self.rows += footer.rows
        self.errors += footer.errors

    def beyond_the_end(self) -> list[str]:
        """Names of chunks after their shard's last: of an earlier reading, when the shard was longer."""
        return [
            file_name(stem, position)
            for stem, progress in self._shards.items()
            for position in progress.positions
            if progress.final is not None and position > progress.final
        ]

    def of_shard(self, shard: str) -> ShardProgress:
        return self._shards.get(shard_file_stem(shard), ShardProgress())


class RunFolder:
    """OUTPUT: a folder at a path or fsspec URL."""

    def __init__(self, url: str) -> None:
        try:
            self.top = Folder(url)
            self.captions = Folder(f"{self.top.url}/{CAPTIONS}")
        except (ImportError, ValueError, OSError) as error:  # a filesystem that is not installed, or no such
            raise UserError(f"OUTPUT {url} cannot be opened: {describe(error)}") from None

    def recorded(self) -> RunFacts | None:
        """The facts of the run this folder holds, or None for a new folder. Raises UserError for any other
        folder.
        """
        try:
            raw = self.top.read(RUN_FILE)
            if raw is None:
                if any(not name.startswith(".") for name in self.top.names()):
                    raise UserError(
                        f"OUTPUT {self.top.url} is not empty and holds no {RUN_FILE}. "
                        "Choose a new or an empty folder."
                    )
                return None
            return RunFacts.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{self.top.url}/{RUN_FILE} is not a run this version can read "
                f"({'.'.join(map(str, first['loc']))}: {first['msg']}). Choose another OUTPUT."
            ) from None
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be opened: {error}") from None

    def check(self, facts: RunFacts) -> None:
        """Raises UserError naming what differs where the run in this folder is not of `facts`."""
        recorded = self.recorded()
        if recorded is not None:
            _refuse_difference(self.top.url, recorded, facts)

    def begin(self, facts: RunFacts) -> None:
        """Record a new run, or open the one here again, if it is of `facts`. Raises UserError."""
        self.check(facts)
        recorded = self.recorded()
        try:
            self.captions.make()
            self.captions.remove_temporaries()
            self.top.remove_temporaries()
            self.top.remove(SUCCESS_FILE)
            if recorded is None:
                self.top.write(RUN_FILE, (facts.model_dump_json(indent=2) + "\n").encode())
        except OSError as error:
            raise UserError(f"OUTPUT {self.top.url} cannot be written: {error}") from None

    def written(self) -> WrittenChunks:
        """The chunks that are here."""
        chunks = WrittenChunks()
        for stem, position, footer in self._footers():
            chunks.add(stem, position, footer)
        return chunks

    def remove_errors(self) -> None:
        """Remove the chunks that hold error rows. They are then missing, also if the run is interrupted."""
        broken = [(stem, position) for stem, position, footer in self._footers() if footer.errors]
        self._remove([file_name(stem, position) for stem, position in broken])

    def remove_beyond_the_end(self) -> WrittenChunks:
        """The chunks that are here once those after their shard's last are removed. Raises RunError."""
        written = self.written()
        if stale := written.beyond_the_end():
            self._remove(stale)
            written = self.written()
        return written

    def finish(self, summary: dict[str, Any]) -> None:
        """Write the summary, and then the marker that the run is complete. Raises RunError."""
        try:
            self.top.write(SUMMARY_FILE, (json.dumps(summary, indent=2) + "\n").encode())
            self.top.write(SUCCESS_FILE, b"")
        except OSError as error:
            raise RunError(
                f"all is captioned, but {self.top.url}/{SUMMARY_FILE} cannot be written: {describe(error)}. "
                "Put that right and start the same command again: it will only finish."
            ) from None

    def finished(self) -> bytes | None:
        """The summary of the run here if it is marked complete."""
        return self.top.read(SUMMARY_FILE) if self.top.read(SUCCESS_FILE) is not None else None

    def _remove(self, names: list[str]) -> None:
        try:
            for name in names:
                self.captions.remove(name)
        except OSError as error:
            raise RunError(f"{self.captions.url} cannot be changed: {describe(error)}") from None

    def _footers(self) -> Iterator[tuple[str, int, ChunkFooter]]:
        """Footers, read by several threads: on an object store each is a request."""
        with ThreadPoolExecutor(max_workers=16) as pool:
            names = iter([name for name in self.captions.names() if parse_file_name(name)])
            while some := list(islice(names, 4096)):
                for name, footer in zip(
                    some, pool.map(partial(read_footer, self.captions), some), strict=True
                ):
                    key = parse_file_name(name)
                    if footer is not None and key is not None:
                        yield *key, footer


def unfinished(shards: Iterable[str], written: WrittenChunks) -> list[str]:
    """The shards of which a chunk is missing."""
    return [shard for shard in shards if not written.of_shard(shard).complete]


def _refuse_difference(url: str, old: RunFacts, new: RunFacts) -> None:
    differences = differing(old, new, ("model", "version", "listing"))
    if not differences and old.listing != new.listing:
        raise UserError(
            f"the images in SOURCE {new.source} have changed since the run in OUTPUT {url} began. "
            "To caption them as they are now, choose another OUTPUT."
        )
    if differences:
        raise UserError(
            f"OUTPUT {url} holds a run with other settings:\n  "
            + "\n  ".join(differences)
            + "\nRepeat the command with the old settings to resume that run, or choose another OUTPUT."
        )


def differing(old: Config, new: Config, passed_over: tuple[str, ...] = ()) -> list[str]:
    """What is not the same in both, a line each; names in `passed_over` may differ."""
    return [
        f"{name}: was {_shown(before)}, now {_shown(now)}"
        for name, before, now in _pairs(old, new)
        if before != now and name not in passed_over
    ]


def _pairs(old: Config, new: Config, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    for name in type(old).model_fields:
        before, now = getattr(old, name), getattr(new, name)
        if isinstance(before, Config) and isinstance(now, Config):
            yield from _pairs(before, now, f"{prefix}{name}.")
        else:
            yield prefix + name, before, now


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)

"""What a source is: it recognises what it can read, plans it as shards, and reads a shard's samples."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Generic

from pipeline.chunk import SOURCE_COLUMNS, Chunk
from pipeline.sources.options import SourceOptions
from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples
from pipeline.sources.shard import A, B, Shard, ShardArgs, changed
from pipeline.storage.listing import Entry
from pipeline.storage.look_up import MISSING, look_up
from pipeline.storage.retries import FileChangedError
from pipeline.storage.urls import bare_name


@dataclass(frozen=True)
class Location:
    """A file or folder that SOURCE stands for. `entry` is what its storage says of it, None where it was not
    asked. `alone`: it is SOURCE itself, not one of the files of a pattern, list or folder. A file comes with
    an `id` that no other of the SOURCE has, and a `prefix` for the ids of its samples.
    """

    url: str
    entry: Entry | None = None
    is_folder: bool = False
    alone: bool = False
    id: str = ""
    prefix: str = ""

    @property
    def names(self) -> set[str]:
        """In small letters: as its storage has it, and of its URL without a web address's query."""
        return {bare_name(self.url), *([self.entry.name.lower()] if self.entry else [])}


@dataclass(frozen=True)
class Planned:
    """What a source makes of one location. `images` where they are known before they are read; `taken_for`
    says in words what it is; `left_out` counts what of it is passed over, by kind. `files` are others that
    lie in it, which sources of files may read; of `twins` among them a folder of the same name lies beside.
    """

    shards: list[Shard]
    images: int | None = None
    taken_for: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, Entry] = field(default_factory=dict)
    twins: frozenset[str] = frozenset()


class Source(ABC, Generic[A]):
    """One kind of thing that images come from. Without state: what a shard needs travels with it."""

    name: ClassVar[str]
    """Recorded with every shard: never changed, once runs have it."""
    what: ClassVar[str]
    """One of it in words, such as `tar`."""
    endings: ClassVar[tuple[str, ...]] = ()
    """Of the names of its files, in small letters."""
    in_folders: ClassVar[bool] = False
    """Whether its files are also looked for in folders, patterns and lists; others are a SOURCE alone."""
    args: ClassVar[type[ShardArgs]] = ShardArgs
    columns: ClassVar[tuple[str, ...]] = SOURCE_COLUMNS
    """Of its chunks."""
    checks_state: ClassVar[bool] = False
    """Whether a shard is a whole file, whose state is compared with the plan's before and after reading."""

    def recognises(self, location: Location) -> bool:
        """Whether this source reads it; the first one in the registry that does, does. May raise OSError."""
        if location.is_folder or not (location.alone or self.in_folders):
            return False
        return any(name.endswith(self.endings) for name in location.names)

    @abstractmethod
    def plan(self, location: Location, options: SourceOptions, pinned: Sequence[Shard[A]]) -> Planned:
        """Its shards, in a stable order; `pinned` are those of an earlier plan. Raises UserError, OSError."""

    @abstractmethod
    def read(self, shard: Shard[A], max_bytes: int) -> Iterator[Sample]:
        """The samples of one shard, in order; images of more than `max_bytes` are not read. Raises where the
        shard cannot be read further, and UserError where it is another than the run was planned on.
        """

    def growth_apart(
        self,
        pinned: Sequence[Shard[A]],
        changed: Collection[str],
        ids_of: Callable[[Shard], Collection[str] | None],
    ) -> Sequence[Shard[A]]:
        """Its `pinned` shards, of which those with an id in `changed` are not what they were, and behind them
        shards of what came to these since, which they then leave out. `ids_of` tells the ids of a shard's
        rows, None where not all are written. By default nothing is set apart.
        """
        return pinned

    def in_words(self, planned: Sequence[Planned]) -> str:
        """What several locations, each planned, are together."""
        return planned[0].taken_for or f"{len(planned):,} {self.what}{'s' * (len(planned) > 1)}"

    def check(self, shards: Sequence[Shard[A]]) -> None:
        """Look at a new run's shards, for mistakes better known before than after. Raises UserError."""

    def samples(self, shard: Shard[A], max_bytes: int) -> Iterator[Sample]:
        """Those of `read` that count, if the shard is the one that was planned on."""
        samples = self.read(shard, max_bytes)
        return islice(self._of_one_state(shard, samples) if self.checks_state else samples, shard.limit)

    def chunks(
        self,
        shard: Shard[A],
        limits: ChunkLimits,
        skip: Mapping[int, range],
        progress: Callable[[int], object] | None,
    ) -> Iterator[Chunk]:
        """The samples in chunks, without those at the positions in `skip`, which are written; `progress` is
        told the rows read so far.
        """
        samples = self.samples(shard, limits.max_bytes)
        return chunk_samples(shard.id, samples, limits, skip, progress=progress)

    def _of_one_state(self, shard: Shard[A], samples: Iterator[Sample]) -> Iterator[Sample]:
        """`samples`, if the file is the one that was planned on before the first and after the last."""
        _check_state(shard)
        try:
            yield from samples
        except FileChangedError:
            raise changed(shard) from None
        _check_state(shard)


def whole_file(source: str, location: Location, args: B) -> Shard[B]:
    """A file as one shard of `source`."""
    size, state = (location.entry.size, location.entry.state) if location.entry else (0, "")
    return Shard(location.id, source, location.url, args, size=size, state=state, prefix=location.prefix)


def _check_state(shard: Shard) -> None:
    if not shard.state:
        return
    entry = look_up(shard.url)
    if entry.state not in ("", MISSING) and (entry.size, entry.state) != (shard.size, shard.state):
        raise changed(shard)


def counted(kinds: Mapping[str, int]) -> str:
    """What was left out, as a person is told."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in sorted(kinds.items()))

"""From what a person wrote as SOURCE to shards, by the sources that recognise what it stands for."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.chunk import SOURCE_COLUMNS, Chunk
from pipeline.sources.found_files import FoundFiles, found_files, locations_of
from pipeline.sources.options import SourceOptions
from pipeline.sources.registry import FILES, SOURCES, recognised, source_of, whats
from pipeline.sources.sample import MAX_BYTES, ChunkLimits, Sample
from pipeline.sources.shard import Shard
from pipeline.sources.source import Location, Planned, Source, counted
from pipeline.storage.errors import UserError
from pipeline.storage.expand import expand
from pipeline.storage.look_up import MISSING, look_up
from pipeline.storage.redact import describe, shown
from pipeline.storage.urls import absolute


@dataclass(frozen=True)
class SourcePlan:
    """The shards of a SOURCE, what it is taken for in words, and what of it is left out, by kind.

    `images` is known for folders and COCO: archives are counted when read. `columns` are those that its
    chunks come with.
    """

    shards: list[Shard]
    images: int | None = None
    taken_for: str = ""
    left_out: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = SOURCE_COLUMNS

    @property
    def from_features(self) -> bool:
        """Whether CLIP's features come with it, and no images."""
        return "features" in self.columns

    def line(self) -> str:
        """What a person is told at the start."""
        return self.taken_for + (f"; left out: {counted(self.left_out)}" if self.left_out else "")


def plan_source(
    source: str, options: SourceOptions | None = None, pinned: Sequence[Shard] = ()
) -> SourcePlan:
    """The shards SOURCE stands for, in a stable order. Raises UserError where there is nothing to caption.

    `pinned` are those of an earlier plan: a folder is cut where it was then.
    """
    try:
        return _plan(absolute(source), options or SourceOptions(), pinned)
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"SOURCE {shown(source)} cannot be listed: {describe(error)}") from error


def read_shard(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one shard, in order. Raises where the shard cannot be read further.

    Images of more than `max_bytes` are not read; those of a run with features have none. Raises UserError
    where the shard is another than the run was planned on.
    """
    return source_of(shard).samples(shard, max_bytes)


def read_chunks(
    shard: Shard,
    limits: ChunkLimits,
    skip: Mapping[int, range],
    progress: Callable[[int], object] | None = None,
) -> Iterator[Chunk]:
    """The chunks of one shard, as `Source.chunks` gives them."""
    return source_of(shard).chunks(shard, limits, skip, progress)


def check_shards(shards: Sequence[Shard]) -> None:
    """Look at a new run's shards, for mistakes better known before than after. Raises UserError."""
    for source in SOURCES:
        if own := [shard for shard in shards if shard.source == source.name]:
            source.check(own)


def growth_apart(
    pinned: Sequence[Shard], changed: Collection[str], ids_of: Callable[[Shard], Collection[str] | None]
) -> list[Shard]:
    """Those shards as each one's source has it (`Source.growth_apart`). Raises UserError."""
    shards: list[Shard] = []
    try:
        for source in SOURCES:
            if own := [shard for shard in pinned if shard.source == source.name]:
                grown = any(shard.id in changed for shard in own)
                shards += source.growth_apart(own, changed, ids_of) if grown else own
    except OSError as error:
        raise UserError(f"SOURCE cannot be listed: {describe(error)}") from error
    return shards


def _plan(source: str, options: SourceOptions, pinned: Sequence[Shard]) -> SourcePlan:
    expansion = expand(source, "SOURCE", lambda url: recognised(Location(url, alone=True)) is not None)
    if not expansion.alone:
        found = found_files(source, expansion)
        return _of_files(source, locations_of(source, found), options, pinned, found.left_out)
    (named,) = expansion.named
    reader = recognised(Location(source, is_folder=named.kind == "folder", alone=True))
    if reader is None:
        raise UserError(
            f"SOURCE {shown(source)} is a file, but no {whats(in_folders=False)}. Give one of these, a "
            f"pattern of them, @{shown(source)} if it lists them, or the folder that holds the images."
        )
    if named.kind == "folder":
        return _of_folder(source, reader, options, pinned)
    entry = look_up(source)
    if entry.state == MISSING:
        raise UserError(f"SOURCE {shown(source)} does not exist. Check the path.")
    (location,) = locations_of(source, FoundFiles({source: entry}, expansion.base))
    return _of_files(source, [replace(location, alone=True)], options, pinned, {})


def _of_folder(source: str, reader: Source, options: SourceOptions, pinned: Sequence[Shard]) -> SourcePlan:
    """Everything in the folder: files that are sources themselves, and images that lie there as files."""
    own = [shard for shard in pinned if shard.source == reader.name]
    planned = reader.plan(Location(source, is_folder=True, alone=True), options, own)
    images = SourcePlan(
        planned.shards, planned.images, planned.taken_for, dict(planned.left_out), reader.columns
    )
    if not planned.files:
        return images
    found = FoundFiles(dict(planned.files), source.rstrip("/") + "/", Counter(planned.left_out))
    locations = locations_of(source, found, planned.twins)
    files = _of_files(source, locations, options, pinned, found.left_out)
    if not planned.shards:
        return files
    words = f"{files.taken_for}, and {images.taken_for} beside them"
    return SourcePlan([*files.shards, *images.shards], None, words, files.left_out)


def _of_files(
    source: str,
    locations: Sequence[Location],
    options: SourceOptions,
    pinned: Sequence[Shard],
    left_out: Mapping[str, int],
) -> SourcePlan:
    """The shards of each file, in their order."""
    by_reader: dict[str, list[Planned]] = {reader.name: [] for reader in SOURCES}
    own = {name: [shard for shard in pinned if shard.source == name] for name in by_reader}
    shards: list[Shard] = []
    for location in locations:
        reader = recognised(location) or _of_no_known_name(source, location)
        planned = reader.plan(location, options, own[reader.name])
        by_reader[reader.name].append(planned)
        shards += planned.shards
    words = [reader.in_words(found) for reader in SOURCES if (found := by_reader[reader.name])]
    every = [planned.images for found in by_reader.values() for planned in found]
    images = sum(count for count in every if count is not None) if None not in every else None
    return SourcePlan(shards, images, " and ".join(words), dict(left_out))


def _of_no_known_name(source: str, location: Location) -> Source:
    """A file that was written out, under a name of no kind: a tar, as webdataset takes it."""
    reader = recognised(Location(location.url, location.entry, alone=True))
    if reader is None:
        return FILES[0]
    raise UserError(
        f"SOURCE {shown(source)} names {shown(location.url)}. A {reader.what} is a SOURCE by itself: give "
        "one of them."
    )

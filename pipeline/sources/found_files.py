"""The files that SOURCE names, in order, each as its storage has it, with what names its samples."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pipeline.chunk import parse_file_name
from pipeline.formats.extensions import kind_of
from pipeline.sources.parquet_roles import tables_by_name
from pipeline.sources.registry import endings, recognised, whats
from pipeline.sources.source import Location, counted
from pipeline.sources.webdataset import tar_stem
from pipeline.storage.errors import UserError
from pipeline.storage.expand import Expansion
from pipeline.storage.files import file_kind, locate
from pipeline.storage.listing import Entry, as_given, matching_entries
from pipeline.storage.look_up import MISSING, look_up_all
from pipeline.storage.redact import printable, redacted, shown
from pipeline.storage.urls import parent


@dataclass
class FoundFiles:
    """Files by URL in order; None where the storage was not asked yet. `base` is the folder that names them;
    `left_out` counts what else a pattern matched.
    """

    files: dict[str, Entry | None] = field(default_factory=dict)
    base: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def found_files(source: str, expansion: Expansion) -> FoundFiles:
    """Those that a pattern, a list or a list file names. Raises UserError, OSError."""
    found = FoundFiles(base=expansion.base)
    listed = source.startswith("@")
    for named in expansion.named:
        if listed and recognised(Location(named.url)) is None:
            must = f"must be a {whats(in_folders=True)} on every line"
            raise UserError(f"SOURCE {named.written}, which {must}.{_alone(named.url)}")
        if named.kind != "pattern":
            found.files.setdefault(named.url)
            continue
        filesystem, pattern = locate(named.url)
        matching, matches = matching_entries(filesystem, pattern), []
        for entry in matching:
            if recognised(Location(entry.path, entry)) is None:
                found.left_out[kind_of(entry.name)] += 1
            else:
                matches.append(entry)
        if tables := tables_by_name(filesystem, matching):
            found.left_out["tables of the images"] += len(tables)
        found.files |= {
            as_given(filesystem, named.url, entry.path): entry
            for entry in matches
            if entry.path not in tables
        }
        if listed and not matches:
            raise UserError(f"SOURCE {named.written}, which matches no file.")
    if listed and not found.files:
        raise UserError(
            f"SOURCE {shown(source)} is empty: it must be a {whats(in_folders=True)} on every line."
        )
    return found


def locations_of(source: str, found: FoundFiles, twins: Collection[str] = ()) -> list[Location]:
    """Each file, named by its place below `found.base`, or below the folder they have in common.

    The ids of its samples begin with its name without its ending, where no other file would give the same; of
    `twins` a folder beside them would. Raises UserError where none is there.
    """
    asked = look_up_all(url for url, entry in found.files.items() if entry is None)
    every = {url: entry or asked[url] for url, entry in found.files.items()}
    files = {url: entry for url, entry in every.items() if not _is_caption_table(url)}
    if not any(entry.state != MISSING for entry in files.values()):
        # one that exists is enough: a shard missing from a written-out range is an error row of its own
        fix = "Check the pattern, and quote it so that the shell does not expand it."
        if found.left_out:
            fix = f"It matches {counted(found.left_out)}: give images that are files by their folder."
        raise UserError(
            f"SOURCE {shown(source)} matches no {whats(in_folders=True)} (names ending in "
            f"{', '.join(endings())}). {fix}{_alone(source)}"
        )
    if tables := len(every) - len(files):
        found.left_out["caption tables of a run"] += tables
    names = _names(source, files, found.base)
    stems = Counter(map(_stem, names.values()))
    locations = []
    for url, entry in files.items():
        stem = _stem(names[url])
        prefix = stem if stems[stem] == 1 and url not in twins else names[url]
        locations.append(Location(url, entry, id=names[url], prefix=prefix))
    return locations


def _names(source: str, files: Mapping[str, Entry], base: str | None) -> dict[str, str]:
    common = redacted(base if base is not None else parent(posixpath.commonprefix(list(files))))
    names = {url: printable(redacted(url).removeprefix(common)) for url in files}
    name, times = Counter(names.values()).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"SOURCE {shown(source)} has {times} shards named {name}: what tells them apart in the URL "
            "is taken for a password. Give them in runs of their own."
        )
    return names


def _alone(url: str) -> str:
    """What to do with a file that is a SOURCE by itself."""
    reader = recognised(Location(url, alone=True))
    if reader is None or reader.in_folders:
        return ""
    return f" A {reader.what} is a SOURCE by itself: give one of them."


def _stem(name: str) -> str:
    """A file's name without the endings that say what it is."""
    return tar_stem(re.sub(r"\.parquet$", "", name, flags=re.IGNORECASE))


def _is_caption_table(url: str) -> bool:
    """Whether a Parquet file is of a run's own table, which a pattern may match."""
    folder, _, name = url.rpartition("/")
    if not folder.endswith("/captions") or parse_file_name(name) is None:
        return False
    return file_kind(*locate(f"{folder.removesuffix('/captions')}/run.json")) is not None

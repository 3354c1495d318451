"""From what a person wrote as SOURCE to shards: files, patterns, lists and folders of them."""

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from pipeline.chunk import parse_file_name
from pipeline.formats.extensions import IMAGE_EXTENSIONS
from pipeline.sources.coco import plan_coco, read_coco
from pipeline.sources.folder import FILES_A_SHARD, FolderContents, plan_folder, read_folder
from pipeline.sources.found_files import (
    ARCHIVES,
    MISSING,
    Archives,
    archive_stem,
    bare_name,
    is_archive,
    is_pattern,
    listed,
    look_up,
    matched,
    parent,
    shown,
)
from pipeline.sources.kept_features import captioned_samples, plan_captioned
from pipeline.sources.parquet import read_parquet
from pipeline.sources.parquet_roles import tables_of_images
from pipeline.sources.sample import MAX_BYTES, KeySetting, Sample, Shard, changed
from pipeline.sources.webdataset import key_rule_of, read_webdataset, tar_stem
from pipeline.storage.errors import UserError
from pipeline.storage.files import file_kind, locate
from pipeline.storage.listing import WEB, as_given
from pipeline.storage.redact import describe, printable, redacted
from pipeline.storage.retries import FileChangedError
from pipeline.storage.urls import canonical, scheme, split_list


@dataclass(frozen=True)
class SourcePlan:
    """The shards of a SOURCE, what it is taken for in words, and what of it is left out, by kind.

    `images` is known for folders and COCO: archives are counted when read. With `from_features` the SOURCE is
    a run folder, and the shards are read by `read_captioned`.
    """

    shards: list[Shard]
    images: int | None = None
    from_features: bool = False
    taken_for: str = ""
    left_out: dict[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """What a person is told at the start."""
        return self.taken_for + (f"; left out: {_counted(self.left_out)}" if self.left_out else "")


@dataclass(frozen=True)
class SourceOptions:
    """`image_root`: the folder of images that Parquet and COCO name by path; by default that of the naming
    file. `image_column`: Parquet's column of images, where its name does not tell. `keys`: where the names in
    tars split into key and extension.
    """

    image_root: str | None = None
    image_column: str | None = None
    keys: KeySetting = "auto"


def absolute_source(source: str) -> str:
    """SOURCE as every machine and working directory understands it: local paths made absolute."""
    at = "@" if source.startswith("@") and not Path(source).exists() else ""
    path = source.removeprefix(at)
    parts = split_list(path)
    if len(parts) > 1 and not Path(source).exists():
        return at + "::".join(map(absolute_source, parts))
    if scheme(path) or path != parts[0]:
        return at + canonical(path)
    local = Path(path).expanduser() if path.startswith("~") else Path(path)
    return f"{at}{local.absolute()}"


def plan_source(
    source: str,
    options: SourceOptions | None = None,
    files_a_shard: int = FILES_A_SHARD,
    pinned: Sequence[Shard] = (),
) -> SourcePlan:
    """The shards SOURCE stands for, in a stable order. Raises UserError where there is nothing to caption.

    `pinned` are those of an earlier plan: a folder is cut where it was then.
    """
    try:
        return _plan(absolute_source(source), options or SourceOptions(), files_a_shard, pinned)
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"SOURCE {shown(source)} cannot be listed: {describe(error)}") from error


def read_shard(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one shard, in order. Raises where the shard cannot be read further.

    Of a tar, members of a sample that are more than `max_bytes` together are not read. Those of a run with
    features have no image. Raises UserError where the shard is another than the run was planned on.
    """
    readers: dict[str, Callable[[Shard], Iterator[Sample]]] = {
        "webdataset": partial(read_webdataset, max_bytes=max_bytes),
        "parquet": partial(read_parquet, max_bytes=max_bytes),
        "coco": partial(read_coco, max_bytes=max_bytes),
        "folder": read_folder,
        "captioned": captioned_samples,
    }
    samples = readers[shard.kind](shard)
    if shard.kind in ("webdataset", "parquet"):
        samples = _of_one_state(shard, samples)
    return islice(samples, shard.limit)


def _of_one_state(shard: Shard, samples: Iterator[Sample]) -> Iterator[Sample]:
    """`samples`, if the file is the one that was planned on before the first and after the last."""
    _check_state(shard)
    try:
        yield from samples
    except FileChangedError:
        raise changed(shard) from None
    _check_state(shard)


def _check_state(shard: Shard) -> None:
    if not shard.state:
        return
    entry = look_up(shard.url)
    if entry.state not in ("", MISSING) and (entry.size, entry.state) != (shard.size, shard.state):
        raise changed(shard)


def _plan(source: str, options: SourceOptions, files_a_shard: int, pinned: Sequence[Shard]) -> SourcePlan:
    if source.startswith("@"):
        return _of_archives(source, listed(source[1:]), options)
    if len(parts := split_list(source)) > 1 and not Path(source).exists():
        found = Archives()
        for part in parts:
            found.files |= matched(part).files if is_pattern(part) else {part: None}
        return _of_archives(source, found, options)
    if is_pattern(source):
        return _of_archives(source, matched(source), options)
    filesystem, path = locate(source)
    # an HTTP server is asked for an archive as a file: whether it is a folder would need all of its text
    direct = source.startswith(WEB) and is_archive(source)
    kind = "file" if direct else file_kind(filesystem, path)
    if kind is None:
        raise UserError(f"SOURCE {shown(source)} does not exist. Check the path.")
    if kind == "directory":
        if file_kind(filesystem, f"{path.rstrip('/')}/run.json"):
            shards = plan_captioned(source)
            return SourcePlan(shards, from_features=True, taken_for="a run that keeps features")
        return _of_folder(source, options, files_a_shard, pinned)
    if bare_name(source).endswith(".json"):
        shards, images = plan_coco(source, _root(options, source), confined=bool(options.image_root))
        return SourcePlan(shards, images, taken_for=f"a COCO-style JSON of {images:,} images")
    if not is_archive(source):
        raise UserError(
            f"SOURCE {shown(source)} is a file, but no tar, Parquet or COCO JSON. Give one of these, a "
            f"pattern of them, @{shown(source)} if it lists them, or the folder that holds the images."
        )
    return _of_archives(source, Archives({source: None}, parent(source)), options)


def _of_folder(
    source: str, options: SourceOptions, files_a_shard: int, pinned: Sequence[Shard]
) -> SourcePlan:
    """Everything in the folder: archives, and images that lie there as files."""
    cuts = [shard.first for shard in pinned if shard.kind == "folder"]
    found = plan_folder(source, files_a_shard, cuts, ARCHIVES)
    filesystem, _ = locate(source)
    archives = Archives(base=source.rstrip("/") + "/", left_out=found.left_out)
    try:
        tables = tables_of_images(filesystem, found.others, found.images)
    except UserError as error:
        raise UserError(f"SOURCE {shown(source)} cannot be told: {error}") from None
    twins = set()
    for directory, entry in found.others:
        if entry.path in tables:
            archives.left_out["tables of the images"] += 1
            continue
        url = as_given(filesystem, source, entry.path)
        archives.files[url] = entry
        if tar_stem(entry.name) in directory.folders:
            twins.add(url)
    if not archives.files and not found.shards:
        there = _counted(found.left_out)
        raise UserError(
            f"SOURCE {shown(source)} is empty: no tar, Parquet file or image in it or below it (looked for "
            f"{', '.join(ARCHIVES)}, {', '.join('.' + e for e in sorted(IMAGE_EXTENSIONS))}, and for images "
            "under other names"
            f"{f'; there are {there}' if there else ''})."
        )
    if not archives.files:
        return SourcePlan(
            found.shards, found.images, taken_for=_images_in_words(found), left_out=dict(found.left_out)
        )
    plan = _of_archives(source, archives, options, twins)
    if not found.shards:
        return plan
    words = f"{plan.taken_for}, and {_images_in_words(found)} beside them"
    return replace(plan, shards=[*plan.shards, *found.shards], taken_for=words)


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} ({count:,})" for kind, count in sorted(kinds.items()))


def _images_in_words(found: FolderContents) -> str:
    texts = f", {found.described:,} of them with texts or a table row" if found.described else ""
    return f"a folder of {found.images:,} image{'s' * (found.images > 1)}{texts}"


def _of_archives(
    source: str, found: Archives, options: SourceOptions, twins: Collection[str] = ()
) -> SourcePlan:
    """A shard for each file, named by its place below `found.base`, or below the folder they have in common.

    Ids begin with a tar's name without its ending, where no other file would give the same; of `twins` a
    folder beside them would.
    """
    files = {url: entry for url, entry in found.looked_up().items() if not _is_caption_table(url)}
    if not any(entry.state != MISSING for entry in files.values()):
        # one that exists is enough: a shard missing from a written-out range is an error row of its own
        raise UserError(
            f"SOURCE {shown(source)} matches no tar or Parquet (names ending in {', '.join(ARCHIVES)}). "
            "Check the pattern, and quote it so that the shell does not expand it."
        )
    if tables := len(found.files) - len(files):
        found.left_out["caption tables of a run"] += tables
    base = redacted(found.base if found.base is not None else parent(posixpath.commonprefix(list(files))))
    names = {url: printable(redacted(url).removeprefix(base)) for url in files}
    name, times = Counter(names.values()).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"SOURCE {shown(source)} has {times} shards named {name}: what tells them apart in the URL "
            "is taken for a password. Give them in runs of their own."
        )
    stems = Counter(archive_stem(name) for name in names.values())
    shards = []
    for url, entry in files.items():
        stem = archive_stem(names[url])
        prefix = stem if stems[stem] == 1 and url not in twins else names[url]
        shard = Shard(names[url], "webdataset", url, size=entry.size, state=entry.state, prefix=prefix)
        if bare_name(url).endswith(".parquet"):
            root, confined = _root(options, url), bool(options.image_root)
            column = options.image_column or ""
            shards.append(replace(shard, kind="parquet", root=root, column=column, confined=confined))
        else:
            shards.append(replace(shard, keys=options.keys))
    return SourcePlan(shards, taken_for=_archives_in_words(shards), left_out=dict(found.left_out))


def _archives_in_words(shards: Sequence[Shard]) -> str:
    tars = [shard for shard in shards if shard.kind == "webdataset"]
    tables = len(shards) - len(tars)
    words = [f"{tables:,} Parquet file{'s' * (tables > 1)}"] if tables else []
    if tars:
        rule = _rule_in_words(tars)
        words.insert(0, f"{len(tars):,} tar{'s' * (len(tars) > 1)}{rule}")
    return " and ".join(words)


def _rule_in_words(tars: Sequence[Shard]) -> str:
    """How names split, as the first tar that is there shows; each tar is judged by its own."""
    for tar in [tar for tar in tars if tar.size and tar.state != MISSING][:1]:
        with suppress(OSError):
            return f" (names in {tar.id}: key up to the {key_rule_of(tar).replace('-', ' ')})"
    return ""


def _is_caption_table(url: str) -> bool:
    """Whether a Parquet file is of a run's own table, which a pattern may match."""
    folder, _, name = url.rpartition("/")
    if not folder.endswith("/captions") or parse_file_name(name) is None:
        return False
    return file_kind(*locate(f"{folder.removesuffix('/captions')}/run.json")) is not None


def _root(options: SourceOptions, url: str) -> str:
    root = options.image_root
    return absolute_source(root).rstrip("/") + "/" if root else parent(url)

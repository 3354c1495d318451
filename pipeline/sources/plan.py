"""From what a person wrote as SOURCE to shards: files, patterns, lists and folders of them."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files import file_kind, locate, read_bytes
from pipeline.listing import GLOB, PATTERN, WEB, alternatives, as_given, files_below, matching_files
from pipeline.redact import describe, printable, redacted
from pipeline.retries import storage
from pipeline.sources.captioned import captioned_samples, plan_captioned
from pipeline.sources.coco import plan_coco, read_coco
from pipeline.sources.folder import FILES_A_SHARD, plan_folder, read_folder
from pipeline.sources.parquet import read_parquet
from pipeline.sources.sample import IMAGE_EXTENSIONS, MAX_BYTES, Sample, Shard
from pipeline.sources.webdataset import read_webdataset

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.zst")
_ARCHIVES = (*_TARS, ".parquet")


@dataclass(frozen=True)
class SourcePlan:
    """The shards of a SOURCE. `images` is known for folders and COCO, `listing` (a fingerprint of the names)
    for folders: archives are counted when read.

    With `from_features` the SOURCE is a run folder, and the shards are read by `read_captioned`.
    """

    shards: list[Shard]
    images: int | None = None
    listing: str | None = None
    from_features: bool = False


@dataclass(frozen=True)
class SourceOptions:
    """`image_root`: the folder of images that Parquet and COCO name by path; by default that of the naming
    file. `image_column`: Parquet's column of images, where its name does not tell.
    """

    image_root: str | None = None
    image_column: str | None = None


def absolute_source(source: str) -> str:
    """SOURCE as every machine and working directory understands it: local paths made absolute."""
    at = "@" if source.startswith("@") and not Path(source).exists() else ""
    path = source.removeprefix(at)
    return source if "://" in path else f"{at}{Path(path).expanduser().absolute()}"


def plan_source(
    source: str, options: SourceOptions | None = None, files_a_shard: int = FILES_A_SHARD
) -> SourcePlan:
    """The shards SOURCE stands for, in a stable order. Raises UserError where there is nothing to caption."""
    try:
        return _plan(absolute_source(source), options or SourceOptions(), files_a_shard)
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"SOURCE {_shown(source)} cannot be listed: {describe(error)}") from error


def read_shard(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one shard, in order. Raises where the shard cannot be read further.

    Of a tar, members of a sample that are more than `max_bytes` together are not read. Those of a run with
    features have no image.
    """
    readers: dict[str, Callable[[Shard], Iterator[Sample]]] = {
        "webdataset": partial(read_webdataset, max_bytes=max_bytes),
        "parquet": partial(read_parquet, max_bytes=max_bytes),
        "coco": partial(read_coco, max_bytes=max_bytes),
        "folder": read_folder,
        "captioned": captioned_samples,
    }
    return islice(readers[shard.kind](shard), shard.limit)


def _plan(source: str, options: SourceOptions, files_a_shard: int) -> SourcePlan:
    if source.startswith("@"):
        return _archives(source, _listed(source[1:]), options)
    filesystem, path = locate(source)
    if _is_pattern(source):
        base = _parent(source[: PATTERN.search(source).start()])  # type: ignore[union-attr]
        return _archives(source, _matched(filesystem, source), options, base)
    # an HTTP server is asked for an archive as a file: whether it is a folder would need all of its text
    direct = source.startswith(WEB) and _is_archive(source)
    kind = "file" if direct else file_kind(filesystem, path)
    if kind is None:
        raise UserError(f"SOURCE {_shown(source)} does not exist. Check the path.")
    if kind == "directory":
        if file_kind(filesystem, f"{path.rstrip('/')}/run.json"):
            return SourcePlan(plan_captioned(source), from_features=True)
        return _plan_directory(filesystem, source, path, options, files_a_shard)
    if _name(source).endswith(".json"):
        shards, images = plan_coco(source, _root(options, source), confined=bool(options.image_root))
        return SourcePlan(shards, images)
    if not _is_archive(source):
        raise UserError(
            f"SOURCE {_shown(source)} is a file, but no tar, Parquet or COCO JSON. Give one of these, a "
            f"pattern of them, @{_shown(source)} if it lists them, or the folder that holds the images."
        )
    return _archives(source, [source], options, _parent(source))


def _is_pattern(source: str) -> bool:
    """A path that exists as written is no pattern, whatever characters its name holds."""
    if source.startswith(WEB):
        return "{" in source
    return bool(PATTERN.search(source)) and ("://" in source or not Path(source).exists())


def _matched(filesystem: Any, source: str) -> list[str]:
    try:
        expanded = alternatives(source)
    except ValueError:
        raise UserError(f"SOURCE {_shown(source)} has an opening brace without a closing one.") from None
    urls: list[str] = []
    for url in expanded:
        if GLOB.search(url) and not url.startswith(WEB):
            found = matching_files(filesystem, filesystem._strip_protocol(url))
            urls += [as_given(filesystem, source, path) for path in found if _is_archive(path)]
        else:
            urls.append(url)
    # one that exists is enough: a shard missing from a written-out range becomes an error row of its own
    if not any(file_kind(filesystem, filesystem._strip_protocol(url)) for url in urls):
        raise UserError(
            f"SOURCE {_shown(source)} matches no tar or Parquet (names ending in {', '.join(_ARCHIVES)}). "
            "Check the pattern, and quote it so that the shell does not expand it."
        )
    return urls


def _listed(path: str) -> list[str]:
    """The lines of a text file: paths, relative to its folder, and URLs; # begins a comment."""
    lines = [line.strip() for line in read_bytes(*locate(path)).decode("utf-8-sig").splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    urls = [name if "://" in name or name.startswith("/") else _parent(path) + name for name in named]
    wrong = next((url for url in urls if not _is_archive(url)), None)
    if wrong or not urls:
        what = f"names {_shown(wrong)}, which" if wrong else "is empty: it"
        raise UserError(f"SOURCE @{_shown(path)} {what} must be a tar or Parquet file on every line.")
    return urls


def _plan_directory(
    filesystem: Any, source: str, path: str, options: SourceOptions, files_a_shard: int
) -> SourcePlan:
    entries = storage(filesystem.ls, path, detail=True)
    names = [entry["name"] for entry in entries if entry["type"] != "directory"]
    archives = [name for name in names if _is_archive(name)]
    images = [name for name in names if name.rpartition(".")[2].lower() in IMAGE_EXTENSIONS]
    if archives and images:
        tar = "Parquet files" if archives[0].endswith(".parquet") else "tars"
        ending = "*.parquet" if archives[0].endswith(".parquet") else "*.tar"
        raise UserError(
            f"SOURCE {_shown(source)} holds both {tar} ({len(archives)}) and images ({len(images)}). "
            f"Caption the {tar} with '{_shown(source).rstrip('/')}/{ending}', and the images from a folder "
            "of their own."
        )
    if not archives:
        folder = plan_folder(source, files_a_shard)
        if folder.images:
            return SourcePlan(folder.shards, folder.images, folder.listing)
        archives = [name for name in files_below(filesystem, path) if _is_archive(name)]
    if not archives:
        raise UserError(
            f"SOURCE {_shown(source)} is empty: no tar, Parquet file or image in it or below it "
            f"(looked for {', '.join(_ARCHIVES)}, {', '.join('.' + e for e in sorted(IMAGE_EXTENSIONS))})."
        )
    urls = sorted(as_given(filesystem, source, name) for name in archives)
    return _archives(source, urls, options, source.rstrip("/") + "/")


def _archives(
    source: str, urls: Sequence[str], options: SourceOptions, base: str | None = None
) -> SourcePlan:
    """A shard for each file, named by its place below `base`, or below the folder they have in common."""
    urls = list(dict.fromkeys(urls))
    base = redacted(base if base is not None else _parent(posixpath.commonprefix(urls)))
    column = options.image_column or ""
    shards = []
    for url in urls:
        shard_id = printable(redacted(url).removeprefix(base))
        if _name(url).endswith(".parquet"):
            root, confined = _root(options, url), bool(options.image_root)
            shards.append(Shard(shard_id, "parquet", url, root=root, column=column, confined=confined))
        else:
            shards.append(Shard(shard_id, "webdataset", url))
    shard_id, times = Counter(shard.id for shard in shards).most_common(1)[0]
    if times > 1:
        raise UserError(
            f"SOURCE {_shown(source)} has {times} shards named {shard_id}: what tells them apart in the URL "
            "is taken for a password. Give them in runs of their own."
        )
    return SourcePlan(shards)


def _root(options: SourceOptions, url: str) -> str:
    root = options.image_root
    return absolute_source(root).rstrip("/") + "/" if root else _parent(url)


def _name(url: str) -> str:
    """In small letters, and of a web address without its query."""
    return (url.partition("?")[0] if url.startswith(WEB) else url).lower()


def _is_archive(url: str) -> bool:
    return _name(url).endswith(_ARCHIVES)


def _parent(url: str) -> str:
    path = url.partition("?")[0] if url.startswith(WEB) else url
    return path[: path.rfind("/") + 1]


def _shown(source: str) -> str:
    return printable(redacted(source))

"""From what a person wrote as SOURCE to shards: tars, patterns and folders of tars, folders of images."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from braceexpand import braceexpand

from pipeline.errors import UserError
from pipeline.sources.folder import FILES_A_SHARD, plan_folder, read_folder
from pipeline.sources.sample import IMAGE_EXTENSIONS, MAX_BYTES, Sample, Shard, describe, printable
from pipeline.sources.webdataset import read_webdataset

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
_GLOB = re.compile(r"[*?\[]")
_PATTERN = re.compile(r"[*?\[{]")


@dataclass(frozen=True)
class SourcePlan:
    """The shards of a SOURCE. `images` and `listing` are for folders alone: tars are counted when read."""

    shards: list[Shard]
    images: int | None = None
    listing: str | None = None


def absolute_source(source: str) -> str:
    """SOURCE as every machine and working directory understands it: local paths made absolute."""
    return source if "://" in source else str(Path(source).expanduser().absolute())


def plan_source(source: str, files_a_shard: int = FILES_A_SHARD) -> SourcePlan:
    """The shards SOURCE stands for, in a stable order. Raises UserError where there is nothing to caption."""
    source = absolute_source(source)
    try:
        filesystem, path = fsspec.core.url_to_fs(source)
        exists = not _is_pattern(source) and filesystem.exists(path)
        if _is_pattern(source):
            return SourcePlan(_plan_pattern(filesystem, source))
        if not exists:
            raise UserError(f"SOURCE {printable(source)} does not exist. Check the path.")
        if filesystem.isdir(path):
            return _plan_directory(filesystem, source, path, files_a_shard)
    except (OSError, ImportError, ValueError) as error:
        raise UserError(f"SOURCE {printable(source)} cannot be listed: {describe(error)}") from error
    if not source.lower().endswith(_TAR_ENDINGS):
        raise UserError(
            f"SOURCE {printable(source)} is a file, but no tar. Give a .tar, a pattern of tars, or the "
            "folder that holds the images."
        )
    return SourcePlan(_tar_shards(_parent(source), [source]))


def read_shard(shard: Shard, max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The samples of one shard, in order. Raises where the shard cannot be read further."""
    return read_webdataset(shard, max_bytes) if shard.kind == "webdataset" else read_folder(shard)


def _is_pattern(source: str) -> bool:
    """A path that exists as written is no pattern, whatever characters its name holds."""
    return bool(_PATTERN.search(source)) and ("://" in source or not Path(source).exists())


def _plan_pattern(filesystem: Any, source: str) -> list[Shard]:
    try:
        expanded = list(dict.fromkeys(braceexpand(source)))
    except ValueError:
        raise UserError(f"SOURCE {source} has an opening brace without a closing one.") from None
    urls: list[str] = []
    for url in expanded:
        if _GLOB.search(url):
            found = filesystem.glob(filesystem._strip_protocol(url))
            tars = sorted(match for match in found if match.lower().endswith(_TAR_ENDINGS))
            urls += [_as_given(filesystem, source, match) for match in tars]
        else:
            urls.append(url)
    # one that exists is enough: a shard missing from a written-out range becomes an error row of its own
    if not any(filesystem.exists(filesystem._strip_protocol(url)) for url in urls):
        raise UserError(
            f"SOURCE {printable(source)} matches no tar (names ending in {', '.join(_TAR_ENDINGS)}). "
            "Check the pattern, and quote it so that the shell does not expand it."
        )
    base = _parent(source[: _PATTERN.search(source).start()])  # type: ignore[union-attr]
    return _tar_shards(base, list(dict.fromkeys(urls)))


def _plan_directory(filesystem: Any, source: str, path: str, files_a_shard: int) -> SourcePlan:
    names = [entry["name"] for entry in filesystem.ls(path, detail=True) if entry["type"] != "directory"]
    tars = [name for name in names if name.lower().endswith(_TAR_ENDINGS)]
    images = [name for name in names if name.rpartition(".")[2].lower() in IMAGE_EXTENSIONS]
    if tars and images:
        raise UserError(
            f"SOURCE {printable(source)} holds both tars ({len(tars)}) and images ({len(images)}). "
            f"Caption the tars with '{source.rstrip('/')}/*.tar', and the images from a folder of their own."
        )
    if not tars:
        folder = plan_folder(source, files_a_shard)
        if folder.images:
            return SourcePlan(folder.shards, folder.images, folder.listing)
        tars = [name for name in filesystem.find(path) if name.lower().endswith(_TAR_ENDINGS)]
    if not tars:
        raise UserError(
            f"SOURCE {printable(source)} is empty: no tar and no image in it or below it "
            f"(looked for .tar, {', '.join('.' + extension for extension in sorted(IMAGE_EXTENSIONS))})."
        )
    urls = sorted(_as_given(filesystem, source, name) for name in tars)
    return SourcePlan(_tar_shards(source.rstrip("/") + "/", urls))


def _tar_shards(base: str, urls: list[str]) -> list[Shard]:
    return [Shard(printable(url.removeprefix(base)), "webdataset", url) for url in urls]


def _parent(url: str) -> str:
    return url[: url.rindex("/") + 1]


def _as_given(filesystem: Any, source: str, path: str) -> str:
    return str(filesystem.unstrip_protocol(path)) if "://" in source else path

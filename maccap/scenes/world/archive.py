"""Scenes as a WebDataset archive: tars of `<key>.jpg` and `<key>.json`, the same bytes every time.

A tar appears whole or not at all, so an archive that was interrupted is finished by writing it again.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from webdataset.writer import TarWriter

from maccap.config import Config
from maccap.scenes.world.facts import json_as_asked, scenes_with_facts
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import Scene, Split

ARCHIVE_FILE = "scenes.json"
_JPEG_QUALITY = 95


class ArchiveConfig(Config):
    """Which scenes, how large, how many per tar, and whether with questions and captions of parts. Recorded
    as `scenes.json` beside the tars.
    """

    split: Split
    count: int
    seed: int
    size: int = 192
    per_shard: int = 250
    questions: bool = False
    partial_captions: bool = False

    def to_json(self) -> str:
        return json_as_asked(self)

    def shard_names(self) -> list[str]:
        return [f"scenes-{number:06d}.tar" for number in range(-(-self.count // self.per_shard))]


def write_archive(folder: Path, config: ArchiveConfig) -> Iterator[int]:
    """Write the tars that are not in `folder` yet. Yields after each scene how many are done.

    Raises FileExistsError where the folder holds anything but an archive of the same `config`.
    """
    _check_folder(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARCHIVE_FILE).write_text(config.to_json() + "\n")
    samples = scenes_with_facts(
        config.split, config.count, config.seed, config.questions, config.partial_captions
    )
    for number, name in enumerate(config.shard_names()):
        start = number * config.per_shard
        shard = samples[start : start + config.per_shard]
        if (folder / name).exists():
            yield start + len(shard)
            continue
        partial = folder / f".{name}.tmp"
        with partial.open("wb") as file, TarWriter(file, user="", group="", mode=0o644, mtime=0) as tar:
            for index, (scene, facts) in enumerate(shard, start):
                jpeg = _jpeg(scene, config.size)
                json = facts.to_json().encode()
                tar.write({"__key__": f"{index:06d}", "jpg": jpeg, "json": json})
                yield index + 1
        partial.replace(folder / name)


def _check_folder(folder: Path, config: ArchiveConfig) -> None:
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    visible = {name for name in found if not name.startswith(".")}
    ours = {ARCHIVE_FILE, *config.shard_names()} if ARCHIVE_FILE in visible else set()
    if ours and (recorded := (folder / ARCHIVE_FILE).read_text().strip()) != config.to_json():
        raise FileExistsError(f"{folder} holds scenes made with other arguments: {recorded}")
    if others := sorted(visible - ours):
        raise FileExistsError(f"{folder} holds other things, for instance {others[0]}")


def _jpeg(scene: Scene, size: int) -> bytes:
    buffer = io.BytesIO()
    render(scene, size).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()

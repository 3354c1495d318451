"""What may lie in a bundle's folder: data that is known to be read as data, and nothing from outside.

Someone else made the folder, so it is checked whole before any of it is used. Hidden files (`.gitattributes`,
`.cache`) are not: nothing reads them.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from maccap.config import BundleConfig
from maccap.image.preprocessing import LOCAL_PREFIX
from maccap.tower_config import UnsafeModelError, check_own_configs

CONFIG, ADAPTOR, CLIP, LLM = "config.json", "adaptor.safetensors", "clip", "llm"
MEMORY, GAP, TEXTS = "memory.safetensors", "gap.safetensors", "text_statistics.safetensors"
NOISE = "noise.safetensors"

_KINDS = {
    ".safetensors", ".json", ".jsonl", ".yaml", ".yml", ".txt", ".md", ".rst", ".csv", ".model", ".tiktoken",
    ".jinja", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg", ".pdf",
}  # fmt: skip
_NAMES = re.compile(
    r"(LICEN[SC]E|NOTICE|README|COPYING|AUTHORS|CITATION|USE_POLICY)\b.*|_SUCCESS|_FINISHED"
    r"|.*\.txt\.gz|events\.out\.tfevents\..*"
)
_CODE = {".py", ".pyc", ".so", ".sh", ".ipynb", ".pyd", ".dll", ".js"}
_ADAPTER = "adapter_config.json"
_WEIGHTS = re.compile(r".*\.(pt|pth|bin|ckpt|pkl|pickle|npz|npy|h5|msgpack|safetensors)", re.IGNORECASE)


def check_names(config: BundleConfig, where: str, *, fetched: bool) -> None:
    """Raises UnsafeModelError where a bundle's config names a model by a path that leads out of the bundle.

    An absolute path is what a bundle on this machine may name; of one that was `fetched` from elsewhere, it
    would be another machine's.
    """
    for key, name in (("clip.name", config.clip.name), ("llm.name", config.llm.name)):
        path = name.removeprefix(LOCAL_PREFIX)
        if ".." in re.split(r"[/\\]", path):
            why = "leads out of the bundle. Name a model by its hub's name, or put its folder into the bundle"
        elif fetched and (path.startswith(("/", "~")) or name.startswith(LOCAL_PREFIX)):
            why = "is a path of the machine it was made on. Put that folder into the bundle, or name a hub's"
        else:
            continue
        raise UnsafeModelError(f"{where} is refused: {key} {name!r} {why}")
    tag = config.clip.pretrained or ""
    if re.search(r"[/\\~]", tag) or _WEIGHTS.fullmatch(tag):
        raise UnsafeModelError(
            f"{where} is refused: clip.pretrained {tag!r} is a file, and a bundle names open_clip's tag. Put "
            "that CLIP into the bundle with FrozenClip.load(name, file).save(bundle/clip), and name it `clip`"
        )


def check_folder(folder: Path, towers: Iterable[str]) -> None:
    """Raises UnsafeModelError naming the file that has no place in a bundle, or says what it may not.

    `towers` are the names of the frozen models in the config; those that are folders of the bundle are
    checked to be complete in themselves.
    """
    root = folder.resolve()
    # a model in the hub's cache is a folder of links to its blobs
    roots = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        if not any(target.is_relative_to(inside) for inside in roots):
            raise UnsafeModelError(
                f"{path} is a link out of the bundle, to {target}. Put the file itself there, or name "
                "its folder in config.json"
            )
        mode = path.stat().st_mode if path.exists() else 0
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise UnsafeModelError(f"{path} is no file (but a device, a pipe or a broken link). Remove it")
        check_name(name, str(path))
    for tower in {*towers}:
        inside = root / tower.removeprefix(LOCAL_PREFIX)
        if inside.is_relative_to(root) and inside.is_dir():  # an absolute name is that of another folder
            check_own_configs(inside)


def check_name(name: str, where: str) -> None:
    """Raises UnsafeModelError where `name`, relative to the bundle, is no file that a bundle holds."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise UnsafeModelError(f"{where} is refused: the name leads out of the bundle. Remove it there")
    kind = path.suffix.lower()
    if path.name == _ADAPTER:
        why = "names the model that it adapts. Merge the two (merge_and_unload of peft), and save the result"
    elif kind in _KINDS or _NAMES.fullmatch(path.name):
        return
    elif kind in _CODE:
        why = "is code, which no bundle needs. Remove it"
    elif _WEIGHTS.fullmatch(path.name):
        why = f"can run code as it is read ({kind}). Weights are read from *.safetensors alone; remove it"
    else:
        why = "is no kind of file that a bundle holds (safetensors, json, text, images). Remove it"
    raise UnsafeModelError(f"{where} is refused, and nothing of the bundle was run: it {why}")


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder above it in the bundle, is hidden."""
    return any(part.startswith(".") and part != ".." for part in name.split("/"))


def _walk(root: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(top) / name for name in sorted([*folders, *files]) if not name.startswith("."))

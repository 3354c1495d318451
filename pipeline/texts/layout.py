"""What the files of a folder are, as their names tell: captions, images, and what belongs to these.

x.jpg x.txt, x.caption                        a text for each image, as kohya and img2dataset write them
00000.tar 00000.parquet 00000_stats.json      tars; the table and statistics of img2dataset say it again
00000/ 00000.parquet 00000_stats.json         the same, with folders of images and texts
metadata.jsonl, .csv or .parquet              of Hugging Face's imagefolder: a table of captions like any
run.json captions/                            a run of `maccap caption`: captions that nobody wrote
"""

import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.formats.extensions import IMG2DATASET_STATISTICS
from pipeline.formats.names import IMAGE_ENDINGS
from pipeline.storage.listing import is_hidden

Form = Literal["caption files", "texts beside images", "tars", "JSON files beside images"]

_TEXTS = (".txt", ".token", ".caption")
_PACKABLE = (".txt", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tar", ".token", ".caption")
_ENDINGS = (*_PACKABLE, *(f"{ending}.gz" for ending in _PACKABLE), ".tgz", ".parquet")
UNDERSTOOD = f"{', '.join(_PACKABLE)} (these also as .gz), .tgz and .parquet"

_TARS = (".tar", ".tar.gz", ".tgz")
_NOTES = ("readme", "license", "licence", "copying", "notice", "requirements")
_CACHE_NAME = re.compile(r"[0-9a-f]{32}")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")
_TOKENIZERS = {"tokenizer.json", "tokenizer_config.json", "merges.txt", "vocab.json", "vocab.txt"}


def ending_of(name: str) -> str:
    """The extension that a caption file is known by, in small letters and with .gz; empty for any other."""
    lower = name.lower()
    return next((ending for ending in _ENDINGS if lower.endswith(ending)), "")


def is_hidden_path(path: str) -> bool:
    return any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))


@dataclass
class LeftOut:
    """Files and folders that are not read, counted by kind with the first as an example."""

    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        count, first = self.kinds.get(kind, (0, example))
        self.kinds[kind] = (count + 1, first)

    def lines(self) -> Iterator[str]:
        """One line, or none where nothing was left out."""
        kinds = [f"{kind} ({count:,}, like {example})" for kind, (count, example) in self.kinds.items()]
        if kinds:
            yield f"left out: {'; '.join(kinds)}"


def own_output(folder: str, names: Collection[str], folders: Collection[str]) -> str | None:
    """What a folder is that a program made for itself, and that holds no text to train on; else None."""
    if "run.json" in names and "captions" in folders:
        return "run folders of `maccap caption`"
    if "train.json" in names and ({"metrics", "checkpoints", "tensorboard"} & set(folders)):
        return "OUTPUT folders of `maccap train`"
    complete = "complete.json" in names or any(name.startswith("features-") for name in names)
    if "texts.txt" in names and (complete or _CACHE_NAME.fullmatch(posixpath.basename(folder))):
        return "feature caches of `maccap train`"
    parts = _TOKENIZERS & set(names) or any(name.endswith(_WEIGHTS) for name in names)
    if ("config.json" in names and parts) or "open_clip_config.json" in names:
        return "folders of models"
    return None


class Place(NamedTuple):
    """What a file of a folder is read as, or why it is left out."""

    form: Form | None
    reason: str = ""


def sort_out(names: Collection[str], with_captions: Collection[str]) -> dict[str, Place]:
    """The place of each file of a folder but images. `with_captions` are the folders in it that hold caption
    files.
    """
    stems = _Stems(names, with_captions)
    images = (name for name in names if posixpath.splitext(name)[1].lower() in IMAGE_ENDINGS)
    return {name: _place(name, stems) for name in set(names).difference(images)}


class _Stems:
    """Names without extension of images, tars, .caption and .txt files, and folders."""

    def __init__(self, names: Collection[str], with_captions: Collection[str]) -> None:
        split = [posixpath.splitext(name) for name in names]
        self.images = {stem for stem, ending in split if ending.lower() in IMAGE_ENDINGS}
        self.captioned = {stem for stem, ending in split if ending.lower() == ".caption"}
        self.texts = {stem for stem, ending in split if ending.lower() in _TEXTS}
        self.archives = {name[: -len(e)] for name in names if (e := ending_of(name)) in _TARS}
        self.archives |= set(with_captions)
        self.shards = self.archives | {s for s, ending in split if ending in (".parquet", ".tfrecord")}


def _place(name: str, stems: _Stems) -> Place:
    stem, last = posixpath.splitext(name)
    last, ending = last.lower(), ending_of(name)
    if not ending:
        return Place(None, f"{last or 'other'} files")
    if ending in _TARS:
        return Place("tars")
    if name.endswith(IMG2DATASET_STATISTICS) and name.removesuffix(IMG2DATASET_STATISTICS) in stems.shards:
        return Place(None, "statistics of img2dataset")
    if ending == ".parquet" and stem in stems.archives:
        return Place(None, "tables beside tars or folders of the same name")
    if last in _TEXTS and stem.lower() in _NOTES:
        return Place(None, "notes about the files")
    if stem in stems.images and last == ".json":
        beside = stem in stems.texts
        return Place(None, "JSON files beside texts") if beside else Place("JSON files beside images")
    if stem in stems.images and last in _TEXTS:
        beside = last != ".caption" and stem in stems.captioned
        return Place(None, "texts beside a .caption") if beside else Place("texts beside images")
    return Place("caption files")

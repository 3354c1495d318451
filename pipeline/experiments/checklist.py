"""What an experiment needs, found or missing, before anything starts."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from maccap.config import ClipSource, LanguageModelSource
from pipeline.experiments.data_files import DataFile
from pipeline.experiments.image_names import image_names
from pipeline.experiments.registry import Experiment
from pipeline.experiments.weights import find_clip, find_language_model
from pipeline.storage.errors import UserError

_SHOWN = 3


class Item(NamedTuple):
    """Something needed: where it is found (None: missing), and where to get it. Without an `optional` one
    the experiment runs, and lacks something.
    """

    name: str
    found: str | None
    source: str
    optional: bool = False

    def line(self) -> str:
        if self.found is not None:
            return f"found    {self.name}: {self.found}"
        return f"{'not here' if self.optional else 'MISSING '} {self.name}: {self.source}"


@dataclass(frozen=True)
class Checklist:
    """What was found: all items, the files by what they are, and the images to caption, in the order of the
    benchmark.
    """

    experiment: Experiment
    data: Path
    items: tuple[Item, ...]
    files: dict[DataFile, Path]
    images: list[str]

    @property
    def missing(self) -> list[Item]:
        return [item for item in self.items if item.found is None and not item.optional]

    def lines(self) -> Iterator[str]:
        """A line for each item."""
        return (item.line() for item in self.items)

    def require(self) -> None:
        """Raises UserError that lists what is missing, with where to get it."""
        if self.missing:
            listed = "\n".join(f"  {item.name}: {item.source}" for item in self.missing)
            raise UserError(
                f"{self.experiment.name} needs what is not here:\n{listed}\nFiles and folders belong into "
                f"{self.data} (--data), or up to two folders below it."
            )


def check(
    experiment: Experiment, data: Path, clip: ClipSource, llm: LanguageModelSource, limit: int | None = None
) -> Checklist:
    """Look for the files, the models and, of the first `limit` images, each. Raises UserError where `data` is
    no folder, or a file that is there cannot be read.
    """
    if not data.is_dir():
        raise UserError(f"--data {data} is no folder. Name the one that the data sets are in.")
    found = {file: file.find(data) for file in experiment.files}
    files = {file: path for file, path in found.items() if path is not None}
    items = [Item(file.name, _text(path), file.source) for file, path in found.items()]
    benchmark = experiment.benchmark
    images = image_names(files[benchmark.listing], benchmark.names) if benchmark.listing in files else []
    if images and benchmark.images in files:
        items.append(_images(images[:limit], files[benchmark.images], benchmark.images.source))
    for name, (path, source) in (
        (" ".join(filter(None, (clip.name, clip.pretrained))), find_clip(clip)),
        (llm.name, find_language_model(llm)),
    ):
        items.append(Item(f"weights of {name}", _text(path), source))
    if benchmark.answers is None:
        java = shutil.which("java")
        items.append(Item("java", java, "BLEU, METEOR, ROUGE-L and CIDEr-D need it, and stay empty", True))
    return Checklist(experiment, data, tuple(items), files, images)


def _images(names: list[str], folder: Path, source: str) -> Item:
    there = {path.name for path in folder.iterdir()}
    lost = [name for name in names if name not in there]
    what = f"{len(names):,} images in {folder.name}"
    if not lost:
        return Item(what, str(folder), source)
    examples = ", ".join(lost[:_SHOWN])
    return Item(what, None, f"{len(lost):,} of them are not in {folder}, such as {examples}; {source}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

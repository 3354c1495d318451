"""The paper's experiments (arXiv 2401.02347) and the authors' settings.

Settings are those of github.com/Artanic30/MacCap at 1802bff: scripts/train_coco.sh, scripts/train_cc3m.sh and
the defaults of main.py. Where it has none, which are Flickr30k's texts and VQA's, they are COCO's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from maccap.config import (
    PAPER_NOISE_VARIANCE,
    ClipSource,
    DecodingConfig,
    LanguageModelSource,
    TrainingConfig,
)
from pipeline.experiments import data_files
from pipeline.experiments.data_files import DataFile
from pipeline.experiments.image_names import karpathy_test, nocaps, vqa_val2014
from pipeline.storage.errors import UserError

CLIP = ClipSource(name="ViT-B-32-quickgelu", pretrained="openai")  # OpenAI's ViT-B/32
LANGUAGE_MODEL = LanguageModelSource(name="facebook/opt-1.3b")
TRAINING = TrainingConfig(batch=32, learning_rate=1e-4, warmup=200, max_tokens=25)  # two GPUs, 16 on each
NOISE_VARIANCE = PAPER_NOISE_VARIANCE  # in training and in captioning
DECODING = DecodingConfig(candidates=4, strategy="beam", beams=4, max_new_tokens=16)  # of 4 noise draws
# questions are asked as maccap.config.AskConfig has it by default


@dataclass(frozen=True)
class Texts:
    """Captions that train an adaptor; all of its experiments share it."""

    name: str
    file: DataFile
    splits: tuple[str, ...] | None = None
    epochs: float = 8


COCO = Texts("coco", data_files.COCO_SPLITS, ("train", "restval"))
FLICKR30K = Texts("flickr30k", data_files.FLICKR30K_SPLITS, ("train",))
CC3M = Texts("cc3m", data_files.CC3M_TRAINING, epochs=4)
# Karpathy's restval has captions of images that VQA's validation asks about
COCO_TRAIN2014 = Texts("coco-train2014", data_files.COCO_TRAIN2014)


class Column(NamedTuple):
    """A score of the table: its title, its name in an evaluation, and of which group of the images."""

    title: str
    score: str
    group: str | None = None


_CAPTIONS = (Column("BLEU-4", "BLEU-4"), Column("METEOR", "METEOR"), Column("CIDEr", "CIDEr-D"))
_NOCAPS = (
    Column("CIDEr in", "CIDEr-D", "in-domain"),
    Column("CIDEr near", "CIDEr-D", "near-domain"),
    Column("CIDEr out", "CIDEr-D", "out-domain"),
    Column("CIDEr all", "CIDEr-D"),
)
_VQA = (
    Column("accuracy", "VQA accuracy"),
    Column("yes/no", "VQA accuracy, answer type yes/no"),
    Column("number", "VQA accuracy, answer type number"),
    Column("other", "VQA accuracy, answer type other"),
)


@dataclass(frozen=True)
class Benchmark:
    """Images, named by the file `listing` as `names` reads it; and what people said of them: references, in
    `listing` itself, or `answers` to the questions that `listing` puts.
    """

    title: str
    images: DataFile
    listing: DataFile
    names: Callable[[str | None, Any], object]
    columns: tuple[Column, ...] = _CAPTIONS
    splits: tuple[str, ...] = ()
    answers: DataFile | None = None

    @property
    def files(self) -> tuple[DataFile, ...]:
        return (self.listing, self.images, *((self.answers,) if self.answers else ()))


COCO_TEST = Benchmark(
    "COCO, Karpathy's test split",
    data_files.COCO_VAL2014_IMAGES,
    data_files.COCO_SPLITS,
    karpathy_test,
    splits=("test",),
)
FLICKR30K_TEST = Benchmark(
    "Flickr30k, Karpathy's test split",
    data_files.FLICKR30K_IMAGES,
    data_files.FLICKR30K_SPLITS,
    karpathy_test,
    splits=("test",),
)
NOCAPS_VAL = Benchmark(
    "NoCaps, validation", data_files.NOCAPS_IMAGES, data_files.NOCAPS_VAL, nocaps, columns=_NOCAPS
)
VQA_VAL = Benchmark(
    "VQAv2, validation",
    data_files.COCO_VAL2014_IMAGES,
    data_files.VQA_QUESTIONS,
    vqa_val2014,
    columns=_VQA,
    answers=data_files.VQA_ANSWERS,
)


class Experiment(NamedTuple):
    """An adaptor trained on `texts` captions the images of `benchmark`, or answers its questions."""

    name: str
    texts: Texts
    benchmark: Benchmark

    @property
    def files(self) -> list[DataFile]:
        return list(dict.fromkeys((self.texts.file, *self.benchmark.files)))


EXPERIMENTS = (
    Experiment("coco", COCO, COCO_TEST),
    Experiment("flickr30k", FLICKR30K, FLICKR30K_TEST),
    Experiment("cc3m-to-coco", CC3M, COCO_TEST),
    Experiment("coco-to-flickr30k", COCO, FLICKR30K_TEST),
    Experiment("flickr30k-to-coco", FLICKR30K, COCO_TEST),
    Experiment("nocaps", COCO, NOCAPS_VAL),
    Experiment("vqav2", COCO_TRAIN2014, VQA_VAL),
)


def find_experiment(name: str) -> Experiment:
    """Raises UserError for another name."""
    found = next((experiment for experiment in EXPERIMENTS if experiment.name == name), None)
    if found is None:
        names = ", ".join(experiment.name for experiment in EXPERIMENTS)
        raise UserError(f"there is no experiment {name}: choose one of {names}.")
    return found

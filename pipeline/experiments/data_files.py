"""The official files that experiments read, by the names they are unpacked under."""

from dataclasses import dataclass
from pathlib import Path

_DEPTHS = ("", "*/", "*/*/")


@dataclass(frozen=True)
class DataFile:
    """A file or a folder. The first of `names` is the usual one; `source` says where to get it."""

    names: tuple[str, ...]
    source: str

    @property
    def name(self) -> str:
        return self.names[0]

    def find(self, data: Path) -> Path | None:
        """Where it is in the folder `data` or up to two folders below it: the usual name first, then the
        place nearest to the top. None where it is not, and for what is empty.
        """
        found = (path for name in self.names for depth in _DEPTHS for path in sorted(data.glob(depth + name)))
        return next((path for path in found if _has_content(path)), None)


def _has_content(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


_KARPATHY = "caption_datasets.zip, Karpathy's splits: https://cs.stanford.edu/people/karpathy/deepimagesent/"
_COCO = "https://cocodataset.org/#download"
_VQA = "https://visualqa.org/download.html"

COCO_SPLITS = DataFile(("dataset_coco.json",), _KARPATHY)
FLICKR30K_SPLITS = DataFile(("dataset_flickr30k.json",), _KARPATHY)
COCO_TRAIN2014 = DataFile(("captions_train2014.json",), f"annotations_trainval2014.zip: {_COCO}")
CC3M_TRAINING = DataFile(
    ("Train_GCC-training.tsv", "Train-GCC-training.tsv", "cc3m_train.tsv"),
    "Training split: https://ai.google.com/research/ConceptualCaptions/download",
)
NOCAPS_VAL = DataFile(
    ("nocaps_val_4500_captions.json",), "validation annotations: https://nocaps.org/download"
)
VQA_QUESTIONS = DataFile(
    ("v2_OpenEnded_mscoco_val2014_questions.json",), f"v2_Questions_Val_mscoco.zip: {_VQA}"
)
VQA_ANSWERS = DataFile(("v2_mscoco_val2014_annotations.json",), f"v2_Annotations_Val_mscoco.zip: {_VQA}")

COCO_VAL2014_IMAGES = DataFile(("val2014",), f"val2014.zip: {_COCO}")
FLICKR30K_IMAGES = DataFile(
    ("flickr30k-images", "flickr30k_images", "flickr30k/images"),
    "on request: https://shannon.cs.illinois.edu/DenotationGraph/",
)
NOCAPS_IMAGES = DataFile(
    ("nocaps/val", "nocaps/images", "nocaps_val", "nocaps-val", "nocaps_images"),
    "the coco_url of each image in nocaps_val_4500_captions.json: https://nocaps.org/download",
)

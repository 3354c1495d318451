"""Published scores of zero-shot captioning trained on text alone, each with where it was read.

CLIP is ViT-B/32 where a method's name has no other. MacCap's own row is empty: its paper's tables are not
copied yet, and a score without a source is none.
"""

from typing import NamedTuple

_VIECAP = "README of github.com/FeiElysia/ViECap at 0772379"
_IFCAP = "asset/poster_emnlp.pdf of github.com/boreng0817/IFCap"
_MACCAP = "arXiv 2401.02347: not copied yet"


class Published(NamedTuple):
    """A row of the table: scores in percent, by the title of their column."""

    method: str
    scores: dict[str, float]
    source: str


def _captions(bleu: float, meteor: float, cider: float) -> dict[str, float]:
    return {"BLEU-4": bleu, "METEOR": meteor, "CIDEr": cider}


def _nocaps(within: float, near: float, out: float, overall: float) -> dict[str, float]:
    return {"CIDEr in": within, "CIDEr near": near, "CIDEr out": out, "CIDEr all": overall}


MACCAP = Published("MacCap", {}, _MACCAP)

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "coco": (
        MACCAP,
        Published("ZeroCap", _captions(7.0, 15.4, 34.5), _VIECAP),
        Published("MAGIC", _captions(12.9, 17.4, 49.3), _VIECAP),
        Published("DeCap", _captions(24.7, 25.0, 91.2), _VIECAP),
        Published("CapDec (RN50x4)", _captions(26.4, 25.1, 91.8), _VIECAP),
        Published("ViECap", _captions(27.2, 24.8, 92.9), _VIECAP),
        Published("CLOSE (ViT-L/14)", {"CIDEr": 95.3}, _IFCAP),
        Published("MeaCap (InvLM)", {"CIDEr": 95.4}, _IFCAP),
        Published("ICSD", {"CIDEr": 96.6}, _IFCAP),
        Published("Knight (RN50x64)", {"CIDEr": 98.9}, _IFCAP),
        Published("SynTIC", {"CIDEr": 101.1}, _IFCAP),
        Published("IFCap", {"CIDEr": 108.0}, _IFCAP),
    ),
    "flickr30k": (
        MACCAP,
        Published("ZeroCap", _captions(5.4, 11.8, 16.8), _VIECAP),
        Published("MAGIC", _captions(6.4, 13.1, 20.4), _VIECAP),
        Published("CapDec (RN50x4)", _captions(17.7, 20.0, 39.1), _VIECAP),
        Published("ViECap", _captions(21.4, 20.1, 47.9), _VIECAP),
        Published("ICSD", {"CIDEr": 54.3}, _IFCAP),
        Published("Knight (RN50x64)", {"CIDEr": 56.3}, _IFCAP),
        Published("SynTIC", {"CIDEr": 56.6}, _IFCAP),
        Published("DeCap", _captions(21.2, 21.8, 56.7), _VIECAP),
        Published("MeaCap (InvLM)", {"CIDEr": 59.4}, _IFCAP),
        Published("IFCap", {"CIDEr": 64.4}, _IFCAP),
    ),
    "cc3m-to-coco": (MACCAP,),
    "coco-to-flickr30k": (
        MACCAP,
        Published("MAGIC", _captions(6.2, 12.2, 17.5), _VIECAP),
        Published("DeCap", _captions(16.3, 17.9, 35.7), _VIECAP),
        Published("CapDec (RN50x4)", _captions(17.3, 18.6, 35.7), _VIECAP),
        Published("ViECap", _captions(17.4, 18.0, 38.4), _VIECAP),
        Published("SynTIC", {"CIDEr": 38.4}, _IFCAP),
        Published("IFCap", {"CIDEr": 47.5}, _IFCAP),
        Published("Knight (RN50x64)", {"CIDEr": 48.9}, _IFCAP),
    ),
    "flickr30k-to-coco": (
        MACCAP,
        Published("MAGIC", _captions(5.2, 12.5, 18.3), _VIECAP),
        Published("CapDec (RN50x4)", _captions(9.2, 16.3, 27.3), _VIECAP),
        Published("DeCap", _captions(12.1, 18.0, 44.4), _VIECAP),
        Published("SynTIC", {"CIDEr": 47.0}, _IFCAP),
        Published("ViECap", _captions(12.6, 19.3, 54.2), _VIECAP),
        Published("IFCap", {"CIDEr": 60.7}, _IFCAP),
        Published("Knight (RN50x64)", {"CIDEr": 64.4}, _IFCAP),
    ),
    "nocaps": (
        MACCAP,
        Published("DeCap", _nocaps(65.2, 47.8, 25.8, 45.9), _VIECAP),
        Published("CapDec (RN50x4)", _nocaps(60.1, 50.2, 28.7, 45.9), _VIECAP),
        Published("ViECap", _nocaps(61.1, 64.3, 65.0, 66.2), _VIECAP),
        Published("IFCap", {"CIDEr all": 74.0, "CIDEr out": 72.1}, _IFCAP),
    ),
    "vqav2": (MACCAP,),
}
"""By the name of the experiment."""

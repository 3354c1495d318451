"""Tiny files in the formats, and below the names, of the data sets that experiments read."""

import json
from pathlib import Path
from typing import Any

from tests.images import encoded, picture
from tests.sentences import SENTENCES

TEST_IMAGES = 3
_PER_IMAGE = 5
_DOMAINS = ("in-domain", "near-domain", "out-domain")


def write_official_files(folder: Path) -> Path:
    """Of every experiment, with three images each to caption, in `folder` and folders below it."""
    coco, flickr30k, nocaps = folder / "coco", folder / "flickr30k", folder / "nocaps"
    _write_images(coco / "val2014", [_coco_name(n) for n in range(TEST_IMAGES)])
    _write_images(flickr30k / "flickr30k-images", [f"{n}.jpg" for n in range(TEST_IMAGES)])
    _write_images(nocaps / "val", [f"{n:016x}.jpg" for n in range(TEST_IMAGES)])
    _write(coco / "dataset_coco.json", _karpathy("coco"))
    _write(flickr30k / "dataset_flickr30k.json", _karpathy("flickr30k"))
    _write(coco / "annotations" / "captions_train2014.json", _annotations())
    _write(nocaps / "nocaps_val_4500_captions.json", _nocaps())
    _write(folder / "v2_OpenEnded_mscoco_val2014_questions.json", _vqa()[0])
    _write(folder / "v2_mscoco_val2014_annotations.json", _vqa()[1])
    lines = [f"{sentence}\thttp://host/{n}.jpg\n" for n, sentence in enumerate(SENTENCES)]
    (folder / "Train_GCC-training.tsv").write_text("".join(lines))
    return folder


def _coco_name(number: int) -> str:
    return f"COCO_val2014_{number:012d}.jpg"


def _write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(picture(number)))


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def _sentences(image: int) -> list[str]:
    return SENTENCES[_PER_IMAGE * image : _PER_IMAGE * (image + 1)]


def _karpathy(dataset: str) -> dict[str, Any]:
    """The images with files are the test split; of the others one is for validation, and those of COCO that
    remain are half of them of split restval.
    """
    images = []
    for number in range(len(SENTENCES) // _PER_IMAGE):
        split = "test" if number < TEST_IMAGES else "val" if number == TEST_IMAGES else "train"
        sentences = [{"tokens": raw.split(), "raw": raw, "imgid": number} for raw in _sentences(number)]
        entry = {"imgid": number, "split": split, "sentences": sentences, "filename": f"{number}.jpg"}
        if dataset == "coco":
            restval = split == "train" and number % 2
            entry |= {"filename": _coco_name(number), "filepath": "val2014", "cocoid": number}
            entry |= {"split": "restval"} if restval else {}
        images.append(entry)
    return {"images": images, "dataset": dataset}


def _annotations() -> dict[str, Any]:
    images = [{"id": n, "file_name": f"COCO_train2014_{n:012d}.jpg"} for n in range(len(SENTENCES))]
    annotations = [{"image_id": n, "id": n, "caption": text} for n, text in enumerate(SENTENCES)]
    return {"info": {"year": 2014}, "images": images, "licenses": [], "annotations": annotations}


def _nocaps() -> dict[str, Any]:
    images = [
        {
            "id": number,
            "open_images_id": f"{number:016x}",
            "file_name": f"{number:016x}.jpg",
            "coco_url": f"https://s3.amazonaws.com/nocaps/val/{number:016x}.jpg",
            "domain": _DOMAINS[number],
        }
        for number in range(TEST_IMAGES)
    ]
    annotations = [
        {"image_id": number, "id": _PER_IMAGE * number + n, "caption": text}
        for number in range(TEST_IMAGES)
        for n, text in enumerate(_sentences(number))
    ]
    return {"licenses": [], "info": {"year": 2018}, "images": images, "annotations": annotations}


def _vqa() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two questions about each image, and ten answers to each."""
    asked = [(image, 10 * image + n) for image in range(TEST_IMAGES) for n in range(2)]
    texts, kinds = ("is the dog red", "what sits on the chair"), ("yes/no", "other")
    questions = [
        {"image_id": image, "question": f"{texts[number % 2]}?", "question_id": number}
        for image, number in asked
    ]
    answers = [
        {
            "image_id": image,
            "question_id": number,
            "question_type": texts[number % 2].split()[0],
            "answer_type": kinds[number % 2],
            "multiple_choice_answer": "dog",
            "answers": [{"answer": "dog", "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)],
        }
        for image, number in asked
    ]
    common = {"info": {}, "data_type": "mscoco", "data_subtype": "val2014", "license": {}}
    return {**common, "task_type": "Open-Ended", "questions": questions}, {**common, "annotations": answers}

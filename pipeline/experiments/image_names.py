"""The images of a benchmark, as its own file lists them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.formats.json_stream import JsonStream
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe
from pipeline.texts.lines import as_text

_Names = Callable[[str | None, Any], object]


def karpathy_test(key: str | None, entry: Any) -> object:
    """File name of an image of Karpathy's test split; None for another."""
    return entry.get("filename") if key == "images" and entry.get("split") == "test" else None


def nocaps(key: str | None, entry: Any) -> object:
    """File name of an image of NoCaps."""
    return entry.get("file_name") if key == "images" else None


def vqa_val2014(key: str | None, entry: Any) -> object:
    """File name in val2014 of the image that a question of VQA is about."""
    image_id = entry.get("image_id") if key == "questions" else None
    return f"COCO_val2014_{image_id:012d}.jpg" if isinstance(image_id, int) else None


def image_names(path: Path, names: _Names) -> list[str]:
    """Distinct file names in the order of the JSON at `path`. Raises UserError where there are none, and for
    a file that is damaged.
    """
    try:
        with path.open("rb") as stream:
            found = dict.fromkeys(_listed(stream, names))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {describe(error)}. Download it again.") from None
    if not found:
        raise UserError(
            f"{path} names none of the images to caption: it is not the official file of this name. Download "
            "it again."
        )
    return list(found)


def _listed(stream: Any, names: _Names) -> Iterator[str]:
    for key, entry in JsonStream(as_text(stream)).elements():
        name = names(key, entry) if isinstance(entry, dict) else None
        if isinstance(name, str):
            yield name

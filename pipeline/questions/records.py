"""The questions in one record, under the names that data sets of visual questions give their fields."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.join.image_names import said_name
from pipeline.storage.redact import printable, shown

# in small letters, without `_` and the like: `imageId` and `image_id` are one name; the best first
IMAGE = (
    *("imageid", "imgid", "imagename", "imgname", "imagefilename", "filename", "imagefile", "imagepath"),
    *("imgpath", "filepath", "image", "img", "key"),
)
QUESTION = ("questions", "qas", "question", "sent", "text", "prompt", "query")
QUESTION_ID = ("questionid", "qid", "qaid", "questionindex", "id")
UNDERSTOOD = (
    "an image (image_id, image, file_name, ...), a question (question, text, sent, prompt or query) and, "
    "where it has one, an id (question_id, qid or id)"
)


class AskedQuestion(NamedTuple):
    """A question about the image that the file calls `image`; the id is None where the file has none."""

    question_id: str | None
    image: str
    question: str


class Fields(NamedTuple):
    """Which of a record's fields may hold what, the best first."""

    image: tuple[str, ...]
    question: tuple[str, ...]
    question_id: tuple[str, ...]


class BrokenRecordError(ValueError):
    """A record that asks nothing, or not about an image. The message is a part of a sentence."""


def fields_among(names: Iterable[str]) -> Fields:
    return _fields(tuple(names))


@lru_cache(1024)
def _fields(names: tuple[str, ...]) -> Fields:
    plain = {name: "".join(filter(str.isalnum, name.lower())) for name in names}
    known = (IMAGE, QUESTION, QUESTION_ID)
    return Fields(*(tuple(n for wanted in some for n in names if plain[n] == wanted) for some in known))


def questions_in(record: Any, own_id: str | None = None) -> list[AskedQuestion]:
    """What a record asks: its question, or each of a list of them, texts or objects, which may have an image
    and an id of their own. `own_id` is the record's where no field says it. Raises BrokenRecordError.
    """
    if not isinstance(record, dict):
        raise BrokenRecordError("it is no object with fields")
    fields = fields_among(record)
    asked = _first(record, fields.question)
    if not isinstance(asked, list):
        question_id = _name(record, fields.question_id, "id") or own_id
        return [AskedQuestion(question_id, _image(record, fields), _text(asked))]
    if not asked:
        raise BrokenRecordError("its list of questions is empty")
    return [_listed(item, record, fields) for item in asked]


def _listed(item: Any, record: dict[str, Any], outer: Fields) -> AskedQuestion:
    if not isinstance(item, dict):
        return AskedQuestion(None, _image(record, outer), _text(item))
    fields = fields_among(item)
    image = _image(item, fields) if _first(item, fields.image) is not None else _image(record, outer)
    return AskedQuestion(_name(item, fields.question_id, "id"), image, _text(_first(item, fields.question)))


def _text(value: Any) -> str:
    if value is None:
        raise BrokenRecordError("it has no question")
    if not isinstance(value, str):
        raise BrokenRecordError(f"its question is no text, but {_short(value)}")
    if not (text := printable(value).strip()):
        raise BrokenRecordError("its question is empty")
    return text


def _image(record: dict[str, Any], fields: Fields) -> str:
    if (name := _name(record, fields.image, "image")) is None:
        raise BrokenRecordError("it names no image")
    return name


def _name(record: dict[str, Any], fields: tuple[str, ...], what: str) -> str | None:
    value = _first(record, fields)
    if value is None:
        return None
    if (name := said_name("image_id", value)) is None:
        raise BrokenRecordError(f"its {what} is no name or number, but {_short(value)}")
    return shown(name) if "://" in name else printable(name)  # as an archive's ids are


def _first(record: dict[str, Any], fields: tuple[str, ...]) -> Any:
    """The first value; the path where that is an image as Hugging Face datasets hold it."""
    for field in fields:
        value = record[field]
        if isinstance(value, dict) and "path" in value:
            value = value["path"]
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return value
    return None


def _short(value: Any) -> str:
    return shown(repr(value))[:100]

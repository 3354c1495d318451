"""CHAIR: how many of the objects that captions name are not in the image (Rohrbach et al. 2018, section 3.1).

An object is in the image where its annotations or, as in the paper, the captions that people wrote of it
say so.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from pipeline.evaluate.object_words import ObjectWords
from pipeline.formats.json_stream import JsonStream
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_stream, reading_file
from pipeline.storage.redact import printable, shown
from pipeline.texts.lines import as_text


class NamedObjects(NamedTuple):
    """The categories that one caption names, in its order and as often as it does, and those of them that are
    not in the image.
    """

    named: tuple[str, ...]
    hallucinated: tuple[str, ...]


class ImageObjects(NamedTuple):
    """The categories that are annotated in one image."""

    image_id: str
    file_name: str | None
    objects: frozenset[str]


def named_objects(words: ObjectWords, caption: str, objects: Collection[str]) -> NamedObjects:
    """What one caption names, of an image with these categories in it."""
    named = words.named(caption)
    return NamedObjects(tuple(named), tuple(category for category in named if category not in objects))


def read_instances(url: str, words: ObjectWords) -> list[ImageObjects]:
    """The images of a file of instances in COCO's form (`instances_val2014.json`), those without objects
    included, from any fsspec URL. It is read one annotation at a time; what is kept of an image is its names
    and one number.

    Raises UserError where the file cannot be read or has another form, and where a category of `words` is
    not among its own, as every mention of it would count as hallucinated.
    """
    name = shown(url)
    instances = _Instances(name)
    with reading_file(name, "It must be the unpacked .json file."), open_stream(*locate(url)) as stream:
        for key, element in JsonStream(as_text(stream)).elements():
            instances.add(key, element)
    return list(instances.images(words))


class _Instances:
    """Of a file that may tell its categories' names last, as COCO's do: the objects of an image are the bits
    of one number.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._file_names: dict[Any, str | None] = {}
        self._objects: dict[Any, int] = {}
        self._bits: dict[Any, int] = {}
        self._categories: dict[Any, str] = {}
        self._count = 0

    def add(self, key: str | None, element: Any) -> None:
        fields = element if isinstance(element, dict) else {}
        if key == "images":
            file_name = fields.get("file_name")
            self._file_names[self._id(fields, "id", key)] = file_name if isinstance(file_name, str) else None
        elif key == "annotations":
            self._count += 1
            image, category = self._id(fields, "image_id", key), self._id(fields, "category_id", key)
            bit = self._bits.setdefault(category, len(self._bits))
            self._objects[image] = self._objects.get(image, 0) | 1 << bit
        elif key == "categories":
            self._categories[self._id(fields, "id", key)] = str(fields.get("name"))

    def images(self, words: ObjectWords) -> Iterator[ImageObjects]:
        """Raises UserError where the categories are not those of `words`."""
        if not self._count or not self._categories:
            raise self._refused(f"it has no {'categories' if self._count else 'annotations'}")
        if unknown := [category for category in self._bits if category not in self._categories]:
            raise self._refused(f"category {unknown[0]!r} of its annotations is not among its categories")
        named = {category: words.category(name) for category, name in self._categories.items()}
        if missing := [category for category in words.categories if category not in named.values()]:
            names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise UserError(
                f"{self._name} has no category {printable(names)}, which {words.name} has words for. Give a "
                "list of words for the categories of this file."
            )
        shared: dict[int, frozenset[str]] = {}
        for image in {**self._file_names, **self._objects}:
            bits = self._objects.get(image, 0)
            if bits not in shared:
                there = (named[category] for category, bit in self._bits.items() if bits >> bit & 1)
                shared[bits] = frozenset(category for category in there if category is not None)
            yield ImageObjects(str(image), self._file_names.get(image), shared[bits])

    def _id(self, fields: dict[str, Any], field: str, key: str) -> int | str:
        value = fields.get(field)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self._refused(f"one of its {key} has no {field}")
        return value

    def _refused(self, what: str) -> UserError:
        return UserError(
            f"{self._name} is no file of instances: {what}. Give one in the form of COCO's "
            'instances_val2014.json: {"images": [{"id", "file_name"}], "annotations": [{"image_id", '
            '"category_id"}], "categories": [{"id", "name"}]}.'
        )

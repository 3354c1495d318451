"""A folder of images with a `metadata.jsonl`, as Hugging Face's imagefolder reads it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

from pipeline.export.format import Example, Format, Notes, Place, json_line
from pipeline.export.safe_names import flat_name
from pipeline.export.whole_file import whole_file
from pipeline.storage.folder import Folder, writing


class ImageFolderFiles(Format):
    """`train/00000/` and so on, each with its images and a `metadata.jsonl`, which is written last:
    folders stay small, and a folder that has one is whole.
    """

    name = "imagefolder"
    about = "images, and metadata.jsonl with their captions, for Hugging Face's imagefolder"
    with_images = True
    per_file = 5_000

    def file_name(self, place: Place) -> str:
        return f"{place.split or 'train'}/{place.number:05d}/metadata.jsonl"

    def files_of(self, split: str) -> str:
        return f"{split}/**"

    def write_part(self, examples: Iterable[Example], place: Place, folder: str) -> Notes:
        name = self.file_name(place)
        images = Folder(f"{folder}/{name.rpartition('/')[0]}")
        with writing(images.url):
            images.make()
        with whole_file(f"{folder}/{name}") as file:
            self.write(_written(examples, images), file)
        return {}

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        for example in examples:
            file.write(json_line(example.record()))


def _written(examples: Iterable[Example], folder: Folder) -> Iterable[Example]:
    """The examples, with the `file_name` that their image is written as; a number keeps names apart."""
    for number, example in enumerate(examples):
        name = f"{number:05d}_{flat_name(example.image_id)}.{example.extension}"
        with writing(folder.url):
            folder.write(name, example.image)
        yield replace(example, fields={"file_name": name, **example.fields}, image=None)

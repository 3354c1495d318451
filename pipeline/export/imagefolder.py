"""A folder of images with a `metadata.parquet`, as Hugging Face's imagefolder reads it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

import pyarrow as pa

from pipeline.export.format import Example, Format, Notes, Place, table_schema
from pipeline.export.options import ExportOptions
from pipeline.export.parquet import write_parquet
from pipeline.export.run_table import RunTable
from pipeline.export.safe_names import flat_name
from pipeline.export.whole_file import whole_file
from pipeline.storage.folder import Folder, writing


class ImageFolderFiles(Format):
    """`train/00000/` and so on, each with its images and a `metadata.parquet`, which is written last:
    folders stay small, and a folder that has one is whole. Its types are the table's: those of JSON
    `datasets` takes from the file that it meets first, which may have nulls alone.
    """

    name = "imagefolder"
    about = "images, and metadata.parquet with their captions, for Hugging Face's imagefolder"
    with_images = True
    per_file = 5_000

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        others = table_schema(table, self.columns, self.several)
        self._metadata = pa.schema([pa.field("file_name", pa.string()), *others])

    def file_name(self, place: Place) -> str:
        return f"{place.split or 'train'}/{place.number:05d}/metadata.parquet"

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
        write_parquet(file, self._metadata, (example.record() for example in examples))


def _written(examples: Iterable[Example], folder: Folder) -> Iterable[Example]:
    """The examples, with the `file_name` that their image is written as; a number keeps names apart."""
    for number, example in enumerate(examples):
        name = f"{number:05d}_{flat_name(example.image_id)}.{example.extension}"
        with writing(folder.url):
            folder.write(name, example.image)
        yield replace(example, fields={"file_name": name, **example.fields}, image=None)

"""A data set as Hugging Face's hub shows it: Parquet files with the images in them, and a card."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline.export.format import IMAGE, Example, Format, Place, table_schema
from pipeline.export.options import ExportOptions
from pipeline.export.parquet import write_parquet
from pipeline.export.run_table import RunTable
from pipeline.export.safe_names import flat_name

_FEATURES = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
"""What makes `datasets`, and so the hub's viewer, take a column for images."""


class HuggingFace(Format):
    """`data/train-00000-of-00003.parquet` and so on, and README.md, the card."""

    name = "huggingface"
    about = "Parquet with images in it and a data set card, for Hugging Face's hub and `load_dataset`"
    ending = "parquet"
    with_images = True
    per_file = 5_000

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        others = table_schema(table, self.columns, self.several)
        self.schema = pa.schema([pa.field("image", IMAGE), *others], metadata=_FEATURES)

    def file_name(self, place: Place) -> str:
        return f"data/{super().file_name(place)}"

    def files_of(self, split: str) -> str:
        return f"data/{split}-*.parquet"

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        write_parquet(file, self.schema, _rows(examples))


def _rows(examples: Iterable[Example]) -> Iterator[dict[str, Any]]:
    for example in examples:
        name = f"{flat_name(example.image_id)}.{example.extension}"
        yield {"image": {"bytes": example.image, "path": name}, **example.record()}

"""JSON lines: an object for each image."""

from collections.abc import Iterable
from typing import BinaryIO

from pipeline.export.format import Example, Format, json_line


class JsonLines(Format):
    """The table's columns as they are; lists stay lists, and `metadata` the text that it is."""

    name = "jsonl"
    about = "an object per line and image"
    ending = "jsonl"

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        for example in examples:
            file.write(json_line(example.record()))

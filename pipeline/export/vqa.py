"""VQA's results: a question's id and an answer each."""

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from pipeline.export.coco import write_array
from pipeline.export.format import Example, Format, Place, only_one_caption
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable
from pipeline.sources.unique import digest
from pipeline.storage.errors import UserError


class VqaResults(Format):
    """An id that is written as a number is one, as in VQAv2; a question that was not answered has the
    answer "".
    """

    name = "vqa"
    about = "VQA's results, of a run that asked a file's questions or the samples' own"
    ending = "json"
    needs = "answers"
    per_file = None

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        only_one_caption(options, "VQA's results")

    def reads(self, column: str) -> bool:
        return column in ("image_id", "answers")

    def file_name(self, place: Place) -> str:
        return "_".join(filter(None, ("vqa", place.split, "results.json")))

    def prepare(self, rows: Callable[[Sequence[str]], Iterator[dict[str, Any]]]) -> None:
        """Raises UserError where a question's id comes twice, as if every image was asked it."""
        seen = array("Q")
        for row in rows(["answers"]):
            ids = (str(one["question_id"]) for one in row["answers"] or ())
            seen.extend(int.from_bytes(digest(question), "big") for question in ids)
        if len(np.unique(np.array(seen, np.uint64))) < len(seen):
            raise UserError(
                "the run asked several images under one question's id, and VQA's results name the question "
                "alone. Export it as jsonl or parquet, where answers lie beside their image."
            )

    def write(self, examples: Iterable[Example], file: BinaryIO) -> None:
        answers = (one for example in examples for one in example.fields["answers"] or ())
        entries = ({"question_id": _id(one["question_id"]), "answer": one["answer"] or ""} for one in answers)
        write_array(file, entries)


def _id(question: object) -> int | str:
    """A number only where it says the same as the text: `007` is another question than `7`."""
    text = str(question)
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,17}", text) else text

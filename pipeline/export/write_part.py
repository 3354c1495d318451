"""One file of an export, from the table's rows to what the format writes."""

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from typing import Any

from pipeline.export.exported_caption import exported_caption
from pipeline.export.format import Example, Format
from pipeline.export.parts import FileRows, Part
from pipeline.export.run_table import CaptionFiles
from pipeline.export.source_images import LostImages, with_images
from pipeline.sources import shard_from_json
from pipeline.sources.unique import digest
from pipeline.storage.errors import RunError
from pipeline.storage.folder import Folder, writing
from pipeline.storage.redact import redacted

PARTS = ".parts"
"""The folder in an export that is not finished, with a result for each file that is."""


@dataclass
class PartResult:
    """What came of a part: examples written, the `extensions` of their images, images that are not there,
    and what the format notes.
    """

    part: str
    split: str | None
    examples: int = 0
    extensions: list[str] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    first_lost: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "PartResult":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class PartWriter:
    """Writes parts to the folder or URL `output`. Small: it travels to the workers. `captions` of
    each image, or all where it is None.
    """

    output: str
    files: CaptionFiles
    format: Format
    captions: int | None
    max_bytes: int

    def __call__(self, part: Part) -> PartResult:
        """Write a part, and then the result that says so. Raises UserError, RunError."""
        result = PartResult(part.id, part.place.split)
        lost = LostImages()
        examples = self._counted(self._examples(part, lost), result)
        try:
            result.notes = dict(self.format.write_part(examples, part.place, self.output))
            result.lost, result.first_lost = dict(lost.counts), lost.first
            with writing(self.output):
                Folder(f"{self.output}/{PARTS}").write(f"{part.id}.json", result.to_json().encode())
        except RunError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise RunError(
                f"what is written in {redacted(self.output)} was removed meanwhile: another command exports "
                "the same there, and has finished. Start the same command again: it resumes."
            ) from error
        return result

    def _examples(self, part: Part, lost: LostImages) -> Iterator[Example]:
        columns = {*self.format.columns, "image_id", "shard", "original_caption"}
        columns |= {"candidates"} if self.captions != 1 else set()
        for stem, group in groupby(part.files, lambda file: file.stem):
            files = list(group)
            rows = (row for file in files for row in self._rows(file, columns))
            if not self.format.with_images:
                yield from (self._example(row, None) for row in rows)
                continue
            shard = shard_from_json(part.shards[stem]) if stem in part.shards else None
            ids = {digest(row["image_id"]) for file in files for row in self._rows(file, {"image_id"})}
            for row, image in with_images(rows, shard, ids, self.max_bytes, lost):
                yield self._example(row, image)

    def _rows(self, file: FileRows, columns: Collection[str]) -> Iterator[dict[str, Any]]:
        table = self.files.read(file.name, columns)
        if len(table) != file.of:
            raise RunError(
                f"{self.files.url}/{file.name} was written anew meanwhile. Export into a new OUTPUT."
            )
        yield from table.take(file.rows()).to_pylist()

    def _example(self, row: dict[str, Any], image: bytes | None) -> Example:
        best = best_captions(row, self.captions) if self.captions != 1 else {}
        made = row.get("caption")
        if "caption" in row:
            row["caption"] = exported_caption(made, row.get("original_caption"))
        kept = set(self.format.columns)
        fields = {name: value for name, value in row.items() if name in kept}
        is_own = row.get("caption") != made
        return Example(fields, list(best), list(best.values()), image, is_own)

    @staticmethod
    def _counted(examples: Iterator[Example], result: PartResult) -> Iterator[Example]:
        for example in examples:
            result.examples += 1
            if example.image is not None and example.extension not in result.extensions:
                result.extensions.append(example.extension)
            yield example


def best_captions(row: dict[str, Any], most: int | None) -> dict[str, float | None]:
    """The row's caption and the other candidates, the closest to the image first, with their scores; at most
    so many.
    """
    candidates = sorted(row.get("candidates") or (), key=lambda one: -(one["clip_score"] or 0.0))
    first = exported_caption(row.get("caption"), row.get("original_caption"))
    best = {first: row.get("clip_score")} if first else {}
    for one in candidates:
        if one["text"]:
            best.setdefault(one["text"], one["clip_score"])
    return dict(islice(best.items(), most))

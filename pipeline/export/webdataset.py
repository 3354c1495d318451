"""WebDataset tars: of each image the file, its caption as `.txt`, and what is told of it as `.json`."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pyarrow as pa

from pipeline.export.format import IMAGE, Example, Format, Notes, Place, json_line
from pipeline.export.options import ExportOptions
from pipeline.export.run_table import RunTable
from pipeline.export.safe_names import safe_key, safe_path
from pipeline.sources.metadata import fields_of
from pipeline.sources.unique import UniqueIds
from pipeline.sources.webdataset import tar_stem
from pipeline.storage.redact import printable

_OTHER_KEYS = "keys differ from the source's, which have dots or what is not safe in a name, or are very long"


class WebDataset(Format):
    """Of a source of tars, a tar for each, under its name and with its keys: the two can be read side by
    side, which is what captions alone are for. A dot in a key, which would end it, becomes `_`; keys that
    are not the source's are counted.
    """

    name = "webdataset"
    about = "tars of image, .txt and .json; of a source of tars one for each, with its name and keys"
    ending = "tar"
    options = frozenset({"captions_only"})
    per_file = 10_000

    def __init__(self, options: ExportOptions, table: RunTable) -> None:
        super().__init__(options, table)
        self.with_images = not options.captions_only
        self.shard_names = _names(table) if table.of_tars and options.per_file is None else None
        self._prefixes = {
            printable(shard.id): printable(shard.prefix or tar_stem(shard.id)) + "/"
            for shard in table.shards.values()
            if self.shard_names
        }

    def file_name(self, place: Place) -> str:
        if place.shard is None:
            return super().file_name(place)
        return f"{place.split or 'train'}/{place.shard}.tar"

    def files_of(self, split: str) -> str:
        return f"{split}/**/*.tar" if self.shard_names else f"{split}-*.tar"

    def loaded_schema(self, extensions: Sequence[str]) -> pa.Schema:
        """Samples may lack an image of one extension, and their metadata's keys differ."""
        images = [(extension, IMAGE) for extension in extensions]
        texts = [("txt", pa.string())] if "caption" in self.columns else []
        names = [(name, pa.string()) for name in ("__key__", "__url__")]
        return pa.schema([*images, *texts, ("json", pa.json_()), *names])

    def write(self, examples: Iterable[Example], file: BinaryIO) -> Notes:
        keys, others = UniqueIds(), 0
        with tarfile.open(fileobj=file, mode="w|") as tar:
            for example in examples:
                own = self._key(example)
                key = keys.unique(safe_key(own))
                others += key != own
                if example.image is not None:
                    _add(tar, f"{key}.{example.extension}", example.image)
                if example.caption is not None:
                    _add(tar, f"{key}.txt", example.caption.encode())
                record = {**example.record(), "metadata": fields_of(example.fields.get("metadata"))}
                _add(tar, f"{key}.json", json_line(record))
        return {_OTHER_KEYS: others} if others and self.shard_names else {}

    def _key(self, example: Example) -> str:
        """The image's id in its tar."""
        return example.image_id.removeprefix(self._prefixes.get(str(example.fields["shard"]), ""))


def _names(table: RunTable) -> dict[str, str]:
    """Of the tars, by stem: as in the source, where no two share a name."""
    names = UniqueIds()
    return {
        stem: names.unique(safe_path(tar_stem(printable(shard.id)))) for stem, shard in table.shards.items()
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))

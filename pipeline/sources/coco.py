"""JSON that lists images as COCO does: `images`, each with the `file_name` of a file below a root, or a URL;
or a list of the same under `data`, or bare.

Every `IMAGES_A_SHARD` entries are a shard, and a shard is read by streaming through the file up to its end:
the driver never holds the names of a whole archive. An image's own entry is its metadata. Each entry is a
row: one that names no image, or is no object, says so.
"""

import hashlib
import io
import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

from pipeline.formats.json_stream import JsonStream
from pipeline.sources.image_files import RefusedError, check_images, image_file, image_root
from pipeline.sources.metadata import metadata_json
from pipeline.sources.options import SourceOptions
from pipeline.sources.repeats import Repeats
from pipeline.sources.sample import MAX_BYTES, Sample
from pipeline.sources.shard import ImageRoot, Shard, ShardArgs, changed
from pipeline.sources.source import Location, Planned, Source
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, open_stream
from pipeline.storage.redact import describe, printable, redacted

IMAGES_A_SHARD = 4096
_LISTS = ("images", "data", None)
"""Keys of the lists that may hold the entries; None is a bare list."""

_NAMES = ("file_name", "filename", "image_path", "img_path", "path", "image", "img", "filepath")
_URLS = ("coco_url", "image_url", "img_url", "url", "flickr_url", "flickr_original_url")


@dataclass(frozen=True)
class CocoArgs(ImageRoot):
    """`first` and `last` bound the shard's entries by number, `last` excluded; `column` is the key of their
    list. `repeats` are the entries whose names came before, by index within the shard, with what to number
    them.
    """

    first: str = ""
    last: str = ""
    column: str = ""
    repeats: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, recorded: dict[str, Any]) -> Self:
        args = super().of(recorded)
        return replace(args, repeats=tuple((index, number) for index, number in args.repeats))

    def begins(self, shard_id: str) -> str:
        return self.first

    def names_as(self, other: ShardArgs) -> bool:
        return isinstance(other, CocoArgs) and self.repeats == other.repeats


class CocoJson(Source[CocoArgs]):
    """Every `IMAGES_A_SHARD` entries are a shard."""

    name = "coco"
    what = "COCO JSON"
    endings = (".json",)
    args = CocoArgs

    def plan(self, location: Location, options: SourceOptions, pinned: Sequence[Shard[CocoArgs]]) -> Planned:
        root, confined = image_root(options, location.url)
        shards, images = plan_coco(location.url, root, confined=confined)
        return Planned(shards, images, f"a COCO-style JSON of {images:,} images")

    def check(self, shards: Sequence[Shard[CocoArgs]]) -> None:
        """That the images lie where they are looked for."""
        check_images(shards[0], read_coco(shards[0]))

    def read(self, shard: Shard[CocoArgs], max_bytes: int) -> Iterator[Sample]:
        return read_coco(shard, max_bytes)


def plan_coco(
    url: str, root: str, images_a_shard: int = IMAGES_A_SHARD, confined: bool = False
) -> tuple[list[Shard[CocoArgs]], int]:
    """Shards, and how many images there are. Raises UserError for JSON that names none."""
    repeats, states, named = Repeats(), list[str](), 0
    place = _list_of_images(url)
    digest = hashlib.sha256()
    count = 0
    for count, entry in enumerate(_entries(url, place), 1):
        repeats.add(_image_id(entry, count - 1))
        named += _named(entry) is not None
        digest.update(_line(entry))
        if count % images_a_shard == 0:
            states.append(_state(digest))
            digest = hashlib.sha256()
    if count % images_a_shard:
        states.append(_state(digest))
    if not named:
        raise UserError(
            f"SOURCE {redacted(url)} names no images: it must hold `images` with a `file_name` each, as COCO "
            "does."
        )
    name = printable(posixpath.basename(redacted(url)).removesuffix(".json"))
    shards = [
        Shard(
            f"{name}-{n:06d}",
            CocoJson.name,
            url,
            CocoArgs(root, confined, str(n * images_a_shard), str((n + 1) * images_a_shard), place),
            state=state,
        )
        for n, state in enumerate(states)
    ]
    return (_with_repeats(shards, url, repeats, images_a_shard) if repeats.found() else shards), count


def read_coco(shard: Shard[CocoArgs], max_bytes: int = MAX_BYTES) -> Iterator[Sample]:
    """The images of one shard, read one at a time when loaded. Raises ValueError for damaged JSON, and
    UserError where the entries are not those that the run was planned on.
    """
    first, numbers = int(shard.args.first), dict(shard.args.repeats)
    entries = islice(_entries(shard.url, shard.args.column), first, int(shard.args.last))
    digest = hashlib.sha256()
    for index, entry in enumerate(entries):
        digest.update(_line(entry))
        image_id = _image_id(entry, first + index)
        number = numbers.get(index)
        yield _sample(shard, f"{image_id}#{number}" if number else image_id, entry, max_bytes)
    if shard.state not in ("", _state(digest)):
        raise changed(shard)


def _line(entry: Any) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _state(digest: "hashlib._Hash") -> str:
    return digest.hexdigest()[:16]


def _sample(shard: Shard[CocoArgs], image_id: str, entry: Any, max_bytes: int) -> Sample:
    if not isinstance(entry, dict):
        return Sample(
            image_id, error=f"entry of {shard.args.column or 'the list'} is no object: {_short(entry)}"
        )
    found = _named(entry)
    if found is None:
        error = f"entry names no image: it has no {_NAMES[0]} and no {_URLS[0]}, only {_short(list(entry))}"
        return Sample(image_id, metadata=metadata_json(entry, at_most=max_bytes), error=error)
    field, name = found
    shown = {**entry, field: redacted(entry[field])} if "://" in entry[field] else entry
    metadata = metadata_json(shown, at_most=max_bytes)
    try:
        load = image_file(shard, name, max_bytes)
    except RefusedError as refused:
        return Sample(image_id, metadata=metadata, error=describe(refused))
    return Sample(image_id, 0, load, metadata, ahead=load.ahead)


def _named(entry: Any) -> tuple[str, str] | None:
    """Where an entry names its image, and how; Karpathy's splits have the folder in a field of its own."""
    if not isinstance(entry, dict):
        return None
    for field in (*_NAMES, *_URLS):
        name = entry.get(field)
        if isinstance(name, str) and name.strip():
            folder = entry.get("filepath") if field == "filename" else None
            return field, posixpath.join(folder, name) if isinstance(folder, str) else name
    return None


def _image_id(entry: Any, number: int) -> str:
    found = _named(entry)
    if found is not None:
        return printable(redacted(found[1]))
    own = entry.get("id") if isinstance(entry, dict) else None
    return printable(str(own)) if isinstance(own, int | str) and own != "" else f"{number:08d}"


def _with_repeats(
    shards: list[Shard[CocoArgs]], url: str, repeats: Repeats, size: int
) -> list[Shard[CocoArgs]]:
    found: dict[int, list[tuple[int, int]]] = {}
    ids = (_image_id(entry, n) for n, entry in enumerate(_entries(url, shards[0].args.column)))
    for place, number in repeats.numbered(ids):
        found.setdefault(place // size, []).append((place % size, number))
    return [
        replace(shard, args=replace(shard.args, repeats=tuple(found.get(n, ()))))
        for n, shard in enumerate(shards)
    ]


def _list_of_images(url: str) -> str:
    """Key of the first list that names images, or "" for a bare one."""
    for key, entry in _elements(url):
        if key in _LISTS and _named(entry):
            return key or ""
    return "images"


def _entries(url: str, place: str) -> Iterator[Any]:
    return (element for key, element in _elements(url) if (key or "") == place)


def _elements(url: str) -> Iterator[tuple[str | None, Any]]:
    with open_stream(*locate(url)) as stream:
        # one text that is not UTF-8 must not end the file
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
        json_stream = JsonStream(text)
        try:
            yield from json_stream.elements()
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if json_stream.peek():
            raise UserError(
                f"SOURCE {redacted(url)} holds several JSON values one after another, as JSON lines do: "
                "write them as one list."
            )


def _short(value: Any) -> str:
    text = printable(redacted(str(value)))
    return text if len(text) <= 100 else f"{text[:97]}..."

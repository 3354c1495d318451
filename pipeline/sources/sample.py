"""What every source yields, and how samples become chunks."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

import pyarrow as pa

from pipeline.chunk import SOURCE_SCHEMA, Chunk
from pipeline.errors import CredentialsError
from pipeline.redact import describe, printable

IMAGE_EXTENSIONS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm"}
)

TEXT_EXTENSIONS = ("txt", "text", "caption", "cls", "json")
"""Of files that describe an image beside them."""

MAX_BYTES = 256 << 20

KeyRule = Literal["first-dot", "last-dot"]
KeySetting = Literal["auto", "first-dot", "last-dot"]
"""Where the names of a tar's members split into a sample's key and an extension (`pipeline.sources.keys`)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One read task: a tar or Parquet file, or a run of consecutive files of a folder or of a COCO list.

    `id` is relative to the SOURCE and so the same on every machine; `first` and `last` bound the files of a
    folder shard, both included, as paths relative to `url`, and a COCO shard by number. `root` is the folder
    below which images are that are named by path, `column` Parquet's column of images. Of a shard with a
    `limit`, only so many samples count.
    """

    id: str
    kind: Literal["webdataset", "parquet", "coco", "folder", "captioned"]
    url: str
    first: str = ""
    last: str = ""
    root: str = ""
    column: str = ""
    limit: int | None = None
    keys: KeySetting = "auto"
    size: int = 0
    prefix: str = ""
    state: str = ""
    repeats: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> str:
        """ASCII, so that file names which are not valid Unicode survive the journey."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Shard":
        fields = json.loads(text)
        return cls(**{**fields, "repeats": tuple(map(tuple, fields["repeats"]))})


@dataclass(frozen=True)
class Sample:
    """One sample. `load` reads the image, and is called if its chunk is wanted, as `metadata` is where it is
    read apart; `size` is known before.
    """

    image_id: str
    size: int = 0
    load: Callable[[], bytes] | None = None
    metadata: str | Callable[[], str | None] | None = None
    error: str | None = None


@dataclass(frozen=True)
class ChunkLimits:
    """A chunk ends at `rows` samples, or before the sample that would take it past `bytes`. A sample of more
    than `max_bytes` is not read.
    """

    rows: int = 512
    bytes: int = 256 << 20
    max_bytes: int = MAX_BYTES


def chunk_samples(
    shard: str, samples: Iterable[Sample], limits: ChunkLimits, skip: Collection[int] = ()
) -> Iterator[Chunk]:
    """Cut a shard's samples into chunks, without loading the images of those at the positions in `skip`.

    Whatever the reader raises ends the shard with one error row of its own, after the samples already read;
    missing credentials alone, which no shard can be read without, are raised. The last chunk is marked, and
    a shard without samples is one chunk without rows: the sink leaves a trace of each.
    """
    pending: list[dict[str, object]] = []
    position, rows, size = 0, 0, 0

    def finish(last: bool) -> Iterator[Chunk]:
        if position not in skip:
            yield Chunk(shard, position, last, pa.Table.from_pylist(pending, SOURCE_SCHEMA))

    for index, sample in enumerate(_ending_in_an_error_row(shard, samples)):
        if rows and (rows >= limits.rows or size + sample.size > limits.bytes):
            yield from finish(last=False)
            pending, position, rows, size = [], position + 1, 0, 0
        rows, size = rows + 1, size + sample.size
        if position not in skip:
            pending.append(_source_row(shard, index, sample, limits.max_bytes))
    yield from finish(last=True)


def count_samples(shard: str, samples: Iterable[Sample], at_most: int) -> int:
    """How many rows the samples make, read no further than `at_most`."""
    return sum(1 for _ in islice(_ending_in_an_error_row(shard, samples), at_most))


def row_ids(shard: str, samples: Iterable[Sample]) -> Iterator[str]:
    """The image ids of the rows that these samples become, without loading their images."""
    return (printable(sample.image_id) for sample in _ending_in_an_error_row(shard, samples))


def _ending_in_an_error_row(shard: str, samples: Iterable[Sample]) -> Iterator[Sample]:
    try:
        yield from samples
    except CredentialsError:
        raise
    except Exception as error:
        yield Sample(shard, error=f"the rest of shard {printable(shard)} cannot be read: {describe(error)}")


def _source_row(shard: str, index: int, sample: Sample, max_bytes: int) -> dict[str, object]:
    image, error = None, sample.error
    if sample.size > max_bytes and error is None:
        error = f"{sample.size} bytes are more than the limit of {max_bytes} (max_bytes); it was not read"
    if error is None and sample.load is not None:
        try:
            image = sample.load()
        except CredentialsError:
            raise
        except Exception as failure:
            error = f"cannot be read: {describe(failure)}"
    return {
        "image_id": printable(sample.image_id),
        "shard": printable(shard),
        "index": index,
        "metadata": sample.metadata() if callable(sample.metadata) else sample.metadata,
        "error": error,
        "image": image,
    }

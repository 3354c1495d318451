"""The images of rows, read again from the source that the run captioned, shard by shard."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.export.run_table import RunTable
from pipeline.inspect.unchanged_shards import hold_images, unchanged_shards
from pipeline.sources import Sample, Shard, read_shard
from pipeline.sources.loading import loading_ahead
from pipeline.sources.unique import digest
from pipeline.storage.errors import CredentialsError, UserError
from pipeline.storage.redact import printable, redacted
from pipeline.storage.urls import absolute, scheme, split_list

GONE, CHANGED, UNREADABLE = "gone", "in a shard that is gone or has changed", "unreadable"
"""Why an image is not in an export."""

_EXAMPLES = 3
Row = dict[str, Any]


@dataclass
class LostImages:
    """Rows whose image is not what it was, counted by why, with the first ids."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, image_id: str) -> None:
        self.counts[why] += 1
        named = self.first.setdefault(why, [])
        if len(named) < _EXAMPLES:
            named.append(image_id)


def shards_as_captioned(table: RunTable) -> dict[str, Shard]:
    """The shards of the run's source that are what the run was planned on, by the stem of their
    files. Raises UserError where the source is gone, or holds no images.
    """
    planned = list(table.shards.values())
    if not hold_images(planned):
        raise UserError(
            f"SOURCE {table.facts.source} of this run is another run, whose features it captioned: it "
            "holds no images. Choose a format without images, or --captions-only."
        )
    there = unchanged_shards(table.facts, planned)
    return {stem: there[shard.id] for stem, shard in table.shards.items() if shard.id in there}


def check_outside(output: str, source: str) -> None:
    """Raises UserError for an export among the images that were captioned: it would be taken for more."""
    for folder in map(_place, split_list(source)):
        if f"{_place(output)}/".startswith(f"{folder}/"):
            raise UserError(
                f"OUTPUT {redacted(output)} lies in the run's SOURCE {redacted(folder)}, and changes what "
                "that holds. Choose a folder outside."
            )


def _place(location: str) -> str:
    """A path or URL by which one that lies in another can be told."""
    url = absolute(location).rstrip("/")
    return url if scheme(url) else str(Path(url).resolve())


def with_images(
    rows: Iterator[Row], shard: Shard | None, ids: Collection[bytes], max_bytes: int, lost: LostImages
) -> Iterator[tuple[Row, bytes]]:
    """Each row of a shard with its image, in the order of the rows; those without one are told to `lost`.

    Rows stand as their samples do. `ids` are the digests of their ids; `shard` is None where it is not what
    it was. It is read once, from its beginning; other rows' images are passed over without loading.
    """
    if shard is None:
        for row in rows:
            lost.add(CHANGED, row["image_id"])
        return
    pairs = _pairs(rows, shard, ids, max_bytes, lost)
    for (row, sample), load in loading_ahead(pairs, lambda pair: pair[1]):
        image = _loaded(load) if not sample.error and sample.size <= max_bytes else None
        if image:
            yield row, image
        else:
            lost.add(UNREADABLE, row["image_id"])


def _pairs(
    rows: Iterator[Row], shard: Shard, ids: Collection[bytes], max_bytes: int, lost: LostImages
) -> Iterator[tuple[Row, Sample]]:
    """Rows and samples of one id. A row without a sample is passed over once a later one's comes."""
    for sample in _samples(shard, max_bytes):
        image_id = printable(sample.image_id)
        if digest(image_id) not in ids:
            continue
        for row in rows:
            if row["image_id"] == image_id:
                yield row, sample
                break
            lost.add(GONE, row["image_id"])
    for row in rows:
        lost.add(GONE, row["image_id"])


def _samples(shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Up to where the shard cannot be read further, as in the run."""
    try:
        yield from read_shard(shard, max_bytes)
    except CredentialsError:
        raise
    except Exception:  # of any library that reads a shard; the rows that are left are counted
        return


def _loaded(load: Callable[[], bytes] | None) -> bytes | None:
    try:
        return load() if load else None
    except CredentialsError:
        raise
    except Exception:  # of any storage's client, or of the image's own reader
        return None

"""The images of the rows that the page shows: thumbnails, and where CLIP looked."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from maccap.image.view import view_of
from pipeline.inspect.looked import where_it_looked
from pipeline.inspect.run_model import model_of
from pipeline.report.chosen_rows import ShownRow
from pipeline.report.looked import as_json, load_extractor
from pipeline.report.source_images import Wanted, shards_with_images, source_images
from pipeline.report.thumbnails import WHOLE, to_webp
from pipeline.run.facts import RunFacts
from pipeline.sources import Shard
from pipeline.stages.decoding.decode_image import DecodedImage, DecodeLimits
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from pipeline.storage.errors import UserError

if TYPE_CHECKING:
    from maccap.image.features import FeatureExtractor

_BATCH = 16
IMAGES = "images"


@dataclass
class ImageWork:
    """How many rows have a thumbnail, and have where CLIP looked; `remarks` say what the page lacks."""

    pictured: int = 0
    looked: int = 0
    remarks: list[str] = field(default_factory=list)


def add_images(
    rows: Sequence[ShownRow],
    facts: RunFacts,
    planned: Sequence[Shard],
    write: Callable[[str, bytes], object],
    with_regions: bool = True,
    model: str | None = None,
    tell: Callable[[int, int], object] = lambda done, wanted: None,
) -> ImageWork:
    """Give rows their thumbnails, which `write` takes by name, and with the run's model (now at `model`)
    where it looked. `planned` are the shards that the run was planned on. Raises UserError for a `model`
    that is not the run's; what else is gone, images or the run's own model, is a remark.
    """
    work = ImageWork()
    limits = facts.stage_settings(WHOLE).limits
    look = _look_for(facts, limits, with_regions, model, work)
    by_place = {(row.fields["shard"], row.fields["index"]): row for row in rows}
    numbers = {place: number for number, place in enumerate(by_place)}
    wanted = defaultdict[str, dict[int, str]](dict)
    for (shard, index), row in by_place.items():
        if row.fields.get("error") is None:
            wanted[shard][index] = row.fields["image_id"]
    decoder = IsolatedDecoder(WHOLE, limits)
    try:
        shards = shards_with_images(facts, planned)
        images = source_images(shards, wanted, facts.max_bytes)
        while some := list(islice(images, _BATCH)):
            shown = [by_place[shard, index] for shard, index, _ in some]
            files = [memoryview(image) for _, _, image in some]
            for (shard, index, _), row, whole in zip(some, shown, decoder.decode(files), strict=True):
                if isinstance(whole, DecodedImage):
                    row.image = f"{IMAGES}/{numbers[shard, index]:05d}.webp"
                    row.fields |= {"width": whole.width, "height": whole.height}
                    write(row.image, to_webp(whole))
                    work.pictured += 1
            if look is not None:
                work.looked += look.add(shown, files)
            tell(work.pictured, sum(map(len, wanted.values())))
        work.remarks += _not_shown(wanted, shards, work.pictured)
    except UserError as error:
        work.remarks.append(f"Images are not shown: {error}")
    finally:
        decoder.close()
        if look is not None:
            look.close()
    return work


def _not_shown(wanted: Wanted, shards: Collection[str], pictured: int) -> Iterator[str]:
    """How many images the page lacks, a line for each reason."""
    total = sum(map(len, wanted.values()))
    changed = sum(len(ids) for shard, ids in wanted.items() if shard not in shards)
    reasons = {
        "their shard is gone or has changed since (--accept-changed captions it anew)": changed,
        "they are gone from their place or cannot be read": total - changed - pictured,
    }
    for why, count in reasons.items():
        if count:
            yield f"Images that are not shown, as {why}: {count:,} of {total:,}"


class _Look:
    """The run's CLIP on images as it saw them."""

    def __init__(self, extract: "FeatureExtractor", limits: DecodeLimits) -> None:
        self._extract = extract
        self._decoder = IsolatedDecoder(extract.clip.pixels, limits)

    def add(self, rows: Sequence[ShownRow], files: Sequence[memoryview]) -> int:
        decoded = zip(rows, self._decoder.decode(files), strict=True)
        seen = [(row, image) for row, image in decoded if isinstance(image, DecodedImage)]
        if seen:
            looked = where_it_looked(self._extract, np.stack([image.pixels for _, image in seen]))
            mode = self._decoder.spec.resize_mode
            for (row, image), where in zip(seen, looked, strict=True):
                row.looked = {**as_json(where), "view": list(view_of(image.width, image.height, mode))}
        return len(seen)

    def close(self) -> None:
        self._decoder.close()


def _look_for(
    facts: RunFacts, limits: DecodeLimits, with_regions: bool, model: str | None, work: ImageWork
) -> _Look | None:
    if not with_regions:
        return None
    try:
        return _Look(load_extractor(model_of(facts, model), facts), limits)
    except UserError as error:
        if model is not None:
            raise
        work.remarks.append(f"Where the model looked is not shown: {error}")
        return None

"""CLIPScore and RefCLIPScore (Hessel et al. 2021), with any CLIP that the method can use.

CLIPScore is 2.5 max(cos, 0) of caption and image; RefCLIPScore its harmonic mean with the largest cosine of
caption and references, at least 0. As in the authors' code every text is given as `A photo depicts {text}`.
Published numbers are by the CLIP `ViT-B-32-quickgelu` with the weights `openai`.
"""

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maccap.config import ClipSource
from pipeline.chunk import valid_rows
from pipeline.evaluate.captions import Captions, Row
from pipeline.evaluate.clip_choice import check_clip, is_reranker, load_clip
from pipeline.evaluate.images import read_images
from pipeline.evaluate.metric import Array, Outcome, Remark, ratio
from pipeline.formats.array_columns import read_half, read_pixels
from pipeline.inspect.caption_table import read_captions, table_columns
from pipeline.run.run_folder import existing_run
from pipeline.stages.decode import DecodeStage

if TYPE_CHECKING:
    import torch

    from maccap.image.clip import FrozenClip

PROMPT = "A photo depicts "
WEIGHT = 2.5
KEPT = "global"
"""The table's column with the reranker's features of the images, where a run keeps them."""


class Cosines(NamedTuple):
    """Of a caption with its image, and the largest with a reference; 0 without references."""

    image: float
    reference: float


class ClipScores:
    """`clip` as open_clip names it, or a folder; None for that of the run's own bundle. An image that cannot
    be read again does not count; one without a caption scores 0.
    """

    def __init__(self, clip: ClipSource | None) -> None:
        """Raises UserError for a CLIP that is not known."""
        if clip is not None:
            check_clip(clip)
        self._source = clip
        self._known: dict[
            tuple[str, str], Cosines
        ] = {}  # by run and image: groups are scored after the whole

    def measure(self, captions: Captions) -> Iterator[Outcome]:
        if not captions.are_captions:
            return
        new = [
            row for row in captions.rows if row.caption and (captions.run, row.image_id) not in self._known
        ]
        if new:
            self._known |= {
                (captions.run, image_id): cosines
                for image_id, cosines in cosines_of(captions.run, new, self._source)
            }
        found = [self._known.get((captions.run, row.image_id)) for row in captions.rows]
        counted = [one is not None or not row.caption for one, row in zip(found, captions.rows, strict=True)]
        pairs = np.array([one or Cosines(0, 0) for one in found], np.float64)
        score, reference = WEIGHT * np.maximum(pairs[:, 0], 0), np.maximum(pairs[:, 1], 0)
        yield ratio("CLIPScore", score, counted)
        if captions.with_references:
            yield ratio("RefCLIPScore", _harmonic_mean(score, reference), counted)
        if missing := len(counted) - sum(counted):
            yield Remark(f"CLIPScore is without {missing:,} images that could not be read again")
        if is_reranker(captions.run, self._source):
            yield Remark(
                f"CLIPScore is by the CLIP that chose the captions of {captions.run} among their candidates: "
                "it is too high, and compares with no other's. Choose another with --clip"
            )


def cosines_of(run: str, rows: Sequence[Row], source: ClipSource | None) -> Iterator[tuple[str, Cosines]]:
    """By image id, in the order of the source; held in memory are the images of one batch."""
    import torch

    clip = load_clip(run, source, "cuda" if torch.cuda.is_available() else "cpu")
    by_id = {row.image_id: row for row in rows}
    kept = KEPT in table_columns(run) and is_reranker(run, source)
    for image_ids, features in _kept_features(run, by_id) if kept else _features(run, rows, clip):
        some = [by_id[image_id] for image_id in image_ids]
        texts = sorted({text for row in some for text in _texts(row)}, key=len)
        encoded = dict(zip(texts, clip.encode_text([PROMPT + text for text in texts]), strict=True))
        for row, image in zip(some, features.to(clip.device), strict=True):
            yield row.image_id, _cosines(image, *(encoded[text] for text in _texts(row)))


def _features(
    run: str, rows: Sequence[Row], clip: "FrozenClip"
) -> Iterator[tuple[list[str], "torch.Tensor"]]:
    """Ids and CLIP features [R, D] of the images that can be read and decoded, as the run decoded them."""
    import torch

    _, facts = existing_run(run)
    decode = DecodeStage(clip.pixels, facts.stage_settings(clip.pixels).limits)
    try:
        for images in read_images(run, rows):
            decoded = decode(images)
            if places := valid_rows(decoded):
                pixels = torch.from_numpy(read_pixels(decoded["pixels"], places))
                yield decoded["image_id"].take(places).to_pylist(), clip.encode_image(pixels).global_
    finally:
        decode.close()


def _kept_features(run: str, wanted: Container[str]) -> Iterator[tuple[list[str], "torch.Tensor"]]:
    """As `_features`, of a run whose table keeps them, in half precision."""
    import torch

    for table in read_captions(run, ["image_id", KEPT]):
        ids = table["image_id"].to_pylist()
        if places := [place for place, image_id in enumerate(ids) if image_id in wanted]:
            features = torch.from_numpy(read_half(table[KEPT], places)).float()
            yield [ids[place] for place in places], torch.nn.functional.normalize(features, dim=-1)


def _texts(row: Row) -> tuple[str, ...]:
    return row.caption or "", *row.references


def _cosines(image: "torch.Tensor", caption: "torch.Tensor", *references: "torch.Tensor") -> Cosines:
    closest = max((float(caption @ reference) for reference in references), default=0.0)
    return Cosines(float(image @ caption), closest)


def _harmonic_mean(one: Array, other: Array) -> Array:
    total = one + other
    return np.divide(2 * one * other, total, out=np.zeros_like(total), where=total > 0)

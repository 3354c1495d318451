"""What a captioner returns: a list, as a table and as a page of a notebook too."""

import base64
import html
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from maccap.image.as_seen import as_seen
from maccap.image.view import Box

if TYPE_CHECKING:
    import pyarrow as pa

ImageLike = Image.Image | str | Path

_SHOWN = 20  # captions on a notebook's page, and images that are kept for it
_EDGE = 160  # pixels, of an image there


class ScoredCandidate(NamedTuple):
    """A candidate, its cosine with the image in CLIP space, and the log-probability of its tokens."""

    text: str
    clip_score: float
    logprob: float


class RegionCaption(NamedTuple):
    """A caption of a region, its cosine with region and whole in CLIP's space, and where the region lies: the
    patch of CLIP's grid with its peak, row by row from 0, and a box around it in the image.
    """

    text: str
    score: float
    patch: int
    box: Box


class Caption(NamedTuple):
    """The winning candidate's text and cosine, all candidates in the order they were drawn, and captions of
    regions where they were asked for, the most salient first.
    """

    text: str
    score: float
    candidates: list[ScoredCandidate]
    regions: Sequence[RegionCaption] = ()


def candidates_type() -> "pa.DataType":
    """Of the column `candidates` of a table."""
    import pyarrow as pa

    number = pa.float32()
    return pa.list_(pa.struct([("text", pa.string()), ("clip_score", number), ("logprob", number)]))


def region_captions_type() -> "pa.DataType":
    """Of the column `region_captions` of a table."""
    import pyarrow as pa

    number, box = pa.float32(), pa.list_(pa.float32(), 4)
    return pa.list_(
        pa.struct([("text", pa.string()), ("score", number), ("patch", pa.int32()), ("box", box)])
    )


class Captions(list[Caption]):
    """Captions in the order of their images. A notebook shows the first 20 beside their images."""

    def __init__(self, captions: Iterable[Caption] = (), images: Sequence[ImageLike] = ()) -> None:
        super().__init__(captions)
        self._with_images = list(zip(self[:_SHOWN], images[:_SHOWN], strict=False))

    def to_table(self) -> "pa.Table":
        """A row for each caption, with the columns `caption`, `clip_score` and `candidates` of a run's table,
        and `region_captions` where there are any.

        `captions.to_table().to_pandas()` is a data frame.
        """
        import pyarrow as pa

        columns = {
            "caption": pa.array([caption.text for caption in self], pa.string()),
            "clip_score": pa.array([caption.score for caption in self], pa.float32()),
            "candidates": pa.array(
                [[candidate._asdict() for candidate in caption.candidates] for caption in self],
                candidates_type(),
            ),
        }
        if any(caption.regions for caption in self):
            regions = [[one._asdict() for one in caption.regions] for caption in self]
            columns["region_captions"] = pa.array(regions, region_captions_type())
        return pa.table(columns)

    def _repr_html_(self) -> str:
        rows = "".join(self._row(caption) for caption in self[:_SHOWN])
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        # of this class, for a caption may say $5, which Jupyter would set as mathematics
        return f'<table class="tex2jax_ignore">{rows}</table>{more}'

    def _row(self, caption: Caption) -> str:
        # found by the caption itself: the list may have been sorted
        image = next((image for owner, image in self._with_images if owner is caption), None)
        candidates = "".join(
            f"<li>{candidate.clip_score:.3f} {html.escape(candidate.text)}</li>"
            for candidate in caption.candidates
        )
        return (
            f"<tr><td>{_thumbnail(image)}</td>"
            f'<td style="text-align: left">{html.escape(caption.text)} ({caption.score:.3f})'
            f"<details><summary>{len(caption.candidates)} candidates</summary><ol>{candidates}</ol></details>"
            "</td></tr>"
        )


def _thumbnail(image: ImageLike | None) -> str:
    """Nothing for one that was closed or removed since it was captioned."""
    if image is None:
        return ""
    try:
        small = as_seen(image if isinstance(image, Image.Image) else Image.open(image))
    except Exception:  # a page is no place to fail
        return ""
    small.thumbnail((_EDGE, _EDGE))
    jpeg = BytesIO()
    small.save(jpeg, "JPEG")
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode()}">'

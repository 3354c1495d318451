"""An explanation as text and as one picture."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from maccap.config import RerankConfig
from maccap.image.view import Box, view_of
from pipeline.inspect.drawing import CARD, GREY, INK, MARGIN, PAGE, RED, font, line_height, wrapped
from pipeline.inspect.explain import SIDE, Explanation
from pipeline.inspect.looked import Looked
from pipeline.storage.redact import printable

_PANEL, _REGION, _GAP = SIDE, 112, 16
_TITLE, _TEXT = 15, 14
_MARK, _REGION_MARK = (230, 60, 40), (20, 90, 190)


def as_text(explanation: Explanation) -> str:
    """What a person reads at a terminal."""
    return "\n".join(_lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    row, decoding = explanation.row, explanation.decoding
    yield f"{row['image_id']}  (row {row['index']} of shard {row['shard']})"
    if row["error"]:
        yield f"error: {row['error']}"
    else:
        yield f"caption: {row['caption']}"
        size = f"{row['width']} x {row['height']} pixels"
        yield f"  cosine with the image {row['clip_score']:.3f}; the image has {size}"
    if row["candidates"]:
        yield (
            f"candidates: {decoding['candidates']} by strategy {decoding['strategy']}, "
            f"{decoding['samples_per_draw']} per draw of region noise"
        )
        yield from _chosen_by(explanation.rerank, explanation.corrected)
        for candidate in _ranked(row):
            mark = "*" if candidate["text"] == row["caption"] else " "
            scores = f"cosine {candidate['clip_score']:.3f}  log-probability {candidate['logprob']:7.2f}"
            yield f"  {mark} {scores}  {printable(candidate['text'])}"
    for number, region in enumerate(row.get("region_captions") or (), 1):
        left, top, width, height = (round(100 * part) for part in region["box"])
        yield (
            f"region {number}: cosine {region['score']:.3f}  {printable(region['text'])}  "
            f"({width} x {height} % of the image, from {left} % and {top} %)"
        )
    if explanation.again is None:
        yield f"captioned again: not possible, {explanation.absent}"
        return
    if explanation.same:
        made = "candidates and regions" if row.get("region_captions") else "candidates"
        what = "error" if row["error"] else made
        yield f"captioned again, by the same keys: the same {what}"
    else:
        told = explanation.again["caption"] or explanation.again["error"]
        yield f"captioned again, by the same keys: {told}  (not what is written)"
    if explanation.looked:
        yield from _where(explanation.looked)


def _where(looked: Looked) -> Iterator[str]:
    grid = len(looked.attention)
    places = ["CLS itself" if place is None else f"({place[0]}, {place[1]})" for place in looked.salient]
    yield f"CLS attends most to the patches, as (row, column) of {grid} x {grid}: {', '.join(places)}"
    if looked.regions is None:
        yield "regions: none, the bundle reads the global feature alone"
    else:
        yield f"regions: {len(looked.regions)}, one around each of these"


def draw_explanation(explanation: Explanation) -> Image.Image:
    """The whole image with the part that CLIP saw, salient patches, attention, regions, and candidates."""
    panels = _panels(explanation)
    regions = _regions(explanation.looked)
    lines = list(_lines(explanation))
    width = 2 * MARGIN + 3 * _PANEL + 2 * _GAP
    wrapped_lines = [part for line in lines for part in wrapped(line, _TEXT, width - 2 * MARGIN) or [""]]
    top_of_regions = MARGIN + _PANEL + line_height(_TITLE) + _GAP
    top_of_text = top_of_regions + (_REGION + line_height(_TITLE) + _GAP if regions else 0)
    height = top_of_text + len(wrapped_lines) * line_height(_TEXT) + MARGIN
    page = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(page)
    for number, (title, panel) in enumerate(panels):
        left = MARGIN + number * (_PANEL + _GAP)
        draw.text((left, MARGIN), title, font=font(_TITLE), fill=GREY)
        page.paste(panel, (left, MARGIN + line_height(_TITLE)))
    if regions:
        draw.text((MARGIN, top_of_regions), "what each region gathers", font=font(_TITLE), fill=GREY)
    for number, region in enumerate(regions):
        page.paste(region, (MARGIN + number * (_REGION + 8), top_of_regions + line_height(_TITLE)))
    y = top_of_text
    for line in wrapped_lines:
        draw.text((MARGIN, y), line, font=font(_TEXT), fill=RED if line.startswith("error") else INK)
        y += line_height(_TEXT)
    return page


def _panels(explanation: Explanation) -> list[tuple[str, Image.Image]]:
    regions = explanation.row.get("region_captions")
    title = "the image, and what of it CLIP saw" if not regions else "the image, and its captioned regions"
    panels = [(title, _whole(explanation))]
    if explanation.looked:
        looked = explanation.looked
        panels += [
            ("salient patches, the most salient first", _salient(looked)),
            ("how much CLS attends to each patch", _heat(looked.pixels, looked.attention, _PANEL)),
        ]
    return panels


def _whole(explanation: Explanation) -> Image.Image:
    if explanation.whole is None:
        return Image.new("RGB", (_PANEL, _PANEL), CARD)
    whole = Image.fromarray(explanation.whole)
    width, height = explanation.row["width"], explanation.row["height"]
    if explanation.looked and explanation.crops and width and width != height:
        side = min(width, height) * _PANEL / max(width, height)
        low, high = (_PANEL - side) / 2, (_PANEL + side) / 2 - 1
        ImageDraw.Draw(whole).rectangle((low, low, high, high), outline=_MARK, width=2)
    for number, region in enumerate(explanation.row.get("region_captions") or (), 1):
        _frame(whole, region["box"], view_of(width, height, "longest"), str(number))
    return whole


def _frame(whole: Image.Image, box: Sequence[float], square: Box, number: str) -> None:
    """A numbered frame around a box of the image, of which `whole` shows all in a square."""
    left, right = ((edge - square.left) / square.width * _PANEL for edge in (box[0], box[0] + box[2]))
    top, bottom = ((edge - square.top) / square.height * _PANEL for edge in (box[1], box[1] + box[3]))
    draw = ImageDraw.Draw(whole)
    right, bottom = max(right, left + 4), max(bottom, top + 4)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=CARD, width=4)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=_REGION_MARK, width=2)
    draw.text((left + 6, top + 3), number, _REGION_MARK, font(14), stroke_width=2, stroke_fill=CARD)


def _salient(looked: Looked) -> Image.Image:
    panel = _enlarged(looked.pixels, _PANEL)
    draw, step = ImageDraw.Draw(panel), _PANEL / len(looked.attention)
    for number, place in enumerate(looked.salient, 1):
        if place is not None:
            top, left = place[0] * step, place[1] * step
            draw.rectangle((left, top, left + step - 1, top + step - 1), outline=_MARK, width=2)
            place_of_number, mark = (left + 3, top), str(number)
            draw.text(place_of_number, mark, _MARK, font(12), stroke_width=2, stroke_fill=CARD)
    return panel


def _chosen_by(rerank: RerankConfig, corrected: bool) -> Iterator[str]:
    """A line where it is not by the cosine with the image alone."""
    parts = ["cosine with the image"]
    parts += ["cosine with the gap-corrected image"] if rerank.closed_gap and corrected else []
    parts += [f"{rerank.logprob_weight:g} x log-probability"] if rerank.logprob_weight else []
    if len(parts) > 1:
        yield f"chosen by {' + '.join(parts)}"


def _regions(looked: Looked | None) -> list[Image.Image]:
    if looked is None or looked.regions is None:
        return []
    most = (3 * _PANEL + 2 * _GAP + 8) // (_REGION + 8)
    return [_heat(looked.pixels, weights, _REGION) for weights in looked.regions[:most]]


def _heat(pixels: NDArray[np.uint8], weights: NDArray[np.float32], side: int) -> Image.Image:
    """The image, darkened where it weighs little."""
    spread = float(weights.max() - weights.min()) or 1.0
    level = ((weights - weights.min()) / spread * 255).astype(np.uint8)
    mask = Image.fromarray(level).resize((side, side), Image.Resampling.BILINEAR)
    picture = _enlarged(pixels, side)
    return Image.composite(picture, picture.point(lambda value: value // 5), mask)


def _enlarged(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)


def _ranked(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The one that became the caption, then by cosine."""
    return sorted(row["candidates"], key=lambda one: (one["text"] != row["caption"], -one["clip_score"]))

"""Which part of an image CLIP sees, and from places there to places in the image."""

from typing import NamedTuple


class Box(NamedTuple):
    """As fractions of a width and a height, from the upper left corner. Times these it is COCO's `bbox`."""

    left: float
    top: float
    width: float
    height: float


def view_of(width: int, height: int, resize_mode: str) -> Box:
    """What CLIP sees of an image of this size, by the rule of a `PixelSpec`; it may reach beyond."""
    if resize_mode == "squash":
        return Box(0, 0, 1, 1)
    side = min(width, height) if resize_mode == "shortest" else max(width, height)
    return Box(0.5 - side / width / 2, 0.5 - side / height / 2, side / width, side / height)


def in_image(box: Box, view: Box) -> Box:
    """`box` of what CLIP saw, the `view` of an image, as a box of the image; no part of it lies outside."""
    left, right = (view.left + view.width * edge for edge in (box.left, box.left + box.width))
    top, bottom = (view.top + view.height * edge for edge in (box.top, box.top + box.height))
    left, top, right, bottom = (min(1.0, max(0.0, edge)) for edge in (left, top, right, bottom))
    return Box(left, top, right - left, bottom - top)

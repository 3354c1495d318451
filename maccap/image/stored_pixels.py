"""An image's pixels as its file stores them, where Pillow's decoders make of it what no browser does.

A GIF's canvas is transparent where its first frame is not. The transparent value of a PNG is one of its own
depth, and all its bits count. An animated PNG may carry a picture for old programs, which no browser shows. A
TIFF's palette may hold values of 8 bits where it should of 16.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

_COLOUR_MAP = 320  # TIFF's tag
_STEPS = {"L;2": 85, "L;4": 17}  # of grey, from one stored value to the next


def stored_pixels(image: Image.Image) -> Image.Image:
    """`image` loaded, or another one with the same metadata where its pixels have to be made anew. Raises
    Pillow's errors for damaged pixels.
    """
    stored = _stored(image) if isinstance(image, ImageFile.ImageFile) and image.tile else None
    if stored is not None:
        said = {"transparency"} if stored.mode in ("LA", "RGBA") else set()  # by its alpha
        stored.info |= {key: value for key, value in image.info.items() if key not in {*stored.info, *said}}
        return stored
    image.load()
    return image


def _stored(image: ImageFile.ImageFile) -> Image.Image | None:
    if image.tell():  # of an animation that somebody has moved on in: composed with the frames before
        return None
    if image.format == "GIF":
        return _on_clear_canvas(image, image.tile[0][1])
    if image.format == "PNG":
        return _png(image)
    if image.format == "TIFF" and image.mode == "P":
        return _with_whole_palette(image)
    return None


def _on_clear_canvas(
    image: ImageFile.ImageFile, frame: tuple[int, int, int, int] | None
) -> Image.Image | None:
    if frame is None or frame == (0, 0, *image.size):
        return None
    canvas = Image.new("RGBA", image.size, (0, 0, 0, 0))
    canvas.paste(image.convert("RGBA").crop(frame), frame[:2])
    return canvas


def _png(image: ImageFile.ImageFile) -> Image.Image | None:
    if image.info.get("default_image"):
        image.seek(1)
        return None
    rawmode, clear = image.tile[0][3], image.info.get("transparency")
    if rawmode in _STEPS and isinstance(clear, int):
        image.load()
        stored = image.copy()
        stored.info["transparency"] = clear * _STEPS[rawmode]
        return stored
    if rawmode == "I;16B" and isinstance(clear, int):
        values = np.asarray(image)
        return _with_alpha(np.rint(values / 257).astype(np.uint8), values != clear)
    if rawmode == "RGB;16B" and isinstance(clear, tuple):
        low = _low_bytes(image)
        high = np.asarray(image)
        opaque = np.any((high != np.array(clear) // 256) | (low != np.array(clear) % 256), axis=-1)
        return _with_alpha(high, opaque)
    return None


def _low_bytes(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Of a PNG of 16-bit colours, of which Pillow keeps the high bytes: read as if they stood last."""
    assert image.fp is not None
    here = image.fp.tell()
    image.fp.seek(0)
    again = Image.open(BytesIO(image.fp.read()), formats=["PNG"])
    image.fp.seek(here)
    assert isinstance(again, ImageFile.ImageFile)
    again.tile = [again.tile[0]._replace(args="RGB;16L")]
    return np.asarray(again)


def _with_alpha(pixels: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> Image.Image:
    stored = Image.fromarray(pixels)
    stored.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return stored


def _with_whole_palette(image: ImageFile.ImageFile) -> Image.Image | None:
    colours = getattr(image, "tag_v2", {}).get(_COLOUR_MAP, ())
    if not colours or max(colours) > 255:
        return None
    image.load()
    stored = image.copy()
    stored.putpalette(np.array(colours, np.uint8).reshape(3, -1).T.tobytes(), "RGB")
    return stored

"""Draw a scene as an image: emoji sprites over a background of a few shapes, the same on every machine.

The sprites (`sprites.png`) are Noto Color Emoji glyphs, one row of SPRITE-pixel squares for all nouns,
licensed as written in `sprites.LICENSE.txt`; rendering needs no font.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files

import numpy as np
from PIL import Image, ImageDraw

from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.scene import Scene

SPRITE = 72  # side of one sprite in the atlas, in pixels
ATLAS_COLUMNS = 10


def render(scene: Scene, side: int) -> Image.Image:
    """The scene as an RGB image of `side` x `side` pixels."""
    rng = np.random.default_rng(scene.detail_seed)
    image = _PAINTERS[BACKGROUNDS[scene.background].name](rng, side)
    for placed in scene.objects:
        pixels = max(8, round(placed.size * side))
        sprite = _sprite(placed.noun, pixels, placed.mirrored)
        image.paste(
            sprite, (round(placed.x * side - pixels / 2), round(placed.y * side - pixels / 2)), sprite
        )
    return image


def patch_labels(scene: Scene, grid: int) -> np.ndarray:
    """What each patch of a `grid` x `grid` grid shows: the noun's index, or len(NOUNS) + the background's.

    Returns int64 [grid * grid]. A patch is of the front-most object whose inner square covers its centre.
    """
    labels = np.full((grid, grid), len(NOUNS) + scene.background, dtype=np.int64)
    centres = (np.arange(grid) + 0.5) / grid
    for placed in scene.objects:
        reach = placed.size * 0.42
        rows = np.abs(centres - placed.y) < reach
        columns = np.abs(centres - placed.x) < reach
        labels[np.ix_(rows, columns)] = placed.noun
    return labels.reshape(-1)


@cache
def _atlas() -> Image.Image:
    with (files("maccap.scenes.world") / "sprites.png").open("rb") as file:
        return Image.open(file).convert("RGBA")


@cache
def _sprite(noun: int, pixels: int, mirrored: bool) -> Image.Image:
    row, column = divmod(noun, ATLAS_COLUMNS)
    box = (column * SPRITE, row * SPRITE, (column + 1) * SPRITE, (row + 1) * SPRITE)
    sprite = _atlas().crop(box).resize((pixels, pixels), Image.Resampling.LANCZOS)
    return sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else sprite


Colour = tuple[int, int, int]


def _jitter(rng: np.random.Generator, colour: Colour, spread: int = 14) -> Colour:
    r, g, b = (int(c) for c in np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255))
    return r, g, b


def _gradient(rng: np.random.Generator, side: int, top: Colour, bottom: Colour) -> Image.Image:
    ends = np.array([_jitter(rng, top), _jitter(rng, bottom)], dtype=np.float32)
    column = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, side, dtype=np.float32)[:, None]
    return Image.fromarray(np.repeat(column[:, None, :], side, axis=1).astype(np.uint8))


def _horizon(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _disc(draw: ImageDraw.ImageDraw, side: int, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse(
        [(x - radius) * side, (y - radius) * side, (x + radius) * side, (y + radius) * side], fill=colour
    )


def _box(
    draw: ImageDraw.ImageDraw, side: int, corners: tuple[float, float, float, float], colour: Colour
) -> None:
    draw.rectangle([c * side for c in corners], fill=colour)


def _dots(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    side: int,
    count: int,
    band: tuple[float, float],
    radius: float,
    colours: tuple[Colour, ...],
) -> None:
    for _ in range(count):
        x, y = float(rng.random()), float(rng.uniform(*band))
        _disc(draw, side, x, y, radius, colours[int(rng.integers(len(colours)))])


def _beach(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (130, 200, 245), (190, 230, 250))
    draw = ImageDraw.Draw(image)
    sea = _horizon(rng, 0.3, 0.45)
    sand = sea + _horizon(rng, 0.15, 0.25)
    _disc(draw, side, float(rng.uniform(0.1, 0.9)), sea - 0.2, 0.08, (255, 225, 90))
    _box(draw, side, (0, sea, 1, sand), _jitter(rng, (25, 130, 195)))
    _box(draw, side, (0, sand - 0.02, 1, sand), (235, 250, 250))
    _box(draw, side, (0, sand, 1, 1), _jitter(rng, (240, 215, 150)))
    return image


def _desert(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (250, 190, 110), (255, 225, 170))
    draw = ImageDraw.Draw(image)
    _disc(draw, side, float(rng.uniform(0.1, 0.9)), 0.2, 0.09, (255, 245, 200))
    for level, colour in ((0.45, (215, 135, 65)), (0.6, (200, 115, 50)), (0.78, (180, 95, 40))):
        peak = float(rng.uniform(0, 1))
        crest = level - float(rng.uniform(0.05, 0.15))
        points = [(0, 1), (0, level), (peak, crest), (1, level), (1, 1)]
        draw.polygon([(x * side, y * side) for x, y in points], fill=_jitter(rng, colour))
    return image


def _snow(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (175, 190, 210), (215, 225, 235))
    draw = ImageDraw.Draw(image)
    ground = _horizon(rng, 0.45, 0.6)
    for x in rng.random(3):
        points = [(float(x) - 0.3, ground), (float(x), ground - 0.28), (float(x) + 0.3, ground)]
        draw.polygon([(px * side, py * side) for px, py in points], fill=_jitter(rng, (150, 170, 195)))
    _box(draw, side, (0, ground, 1, 1), _jitter(rng, (243, 246, 250), 6))
    _dots(rng, draw, side, 40, (0, 1), 0.011, ((255, 255, 255),))
    return image


def _meadow(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (110, 185, 245), (185, 225, 250))
    draw = ImageDraw.Draw(image)
    ground = _horizon(rng, 0.35, 0.5)
    for x in rng.random(2):
        for shift in (-0.07, 0, 0.07):
            _disc(draw, side, float(x) + shift, 0.14, 0.07, (250, 250, 252))
    _box(draw, side, (0, ground, 1, 1), _jitter(rng, (105, 190, 70)))
    _dots(rng, draw, side, 26, (ground + 0.03, 1), 0.013, ((250, 230, 80), (250, 250, 250), (235, 130, 170)))
    return image


def _night(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (8, 10, 40), (35, 40, 95))
    draw = ImageDraw.Draw(image)
    _dots(rng, draw, side, 34, (0, 0.75), 0.008, ((255, 255, 235), (200, 210, 255)))
    x, y = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.25))
    _disc(draw, side, x, y, 0.09, (245, 240, 205))
    _disc(draw, side, x + 0.04, y - 0.02, 0.075, (15, 18, 52))
    _box(draw, side, (0, _horizon(rng, 0.78, 0.88), 1, 1), _jitter(rng, (18, 26, 30), 6))
    return image


def _street(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (170, 185, 200), (205, 210, 215))
    draw = ImageDraw.Draw(image)
    road = _horizon(rng, 0.58, 0.7)
    left = 0.0
    while left < 1:
        width, top = float(rng.uniform(0.14, 0.26)), float(rng.uniform(0.08, 0.32))
        _box(draw, side, (left, top, left + width, road), _jitter(rng, (140, 120, 115), 30))
        for row in np.arange(top + 0.04, road - 0.08, 0.11):
            for column in np.arange(left + 0.025, left + width - 0.05, 0.075):
                _box(
                    draw,
                    side,
                    (float(column), float(row), float(column) + 0.035, float(row) + 0.055),
                    (235, 225, 160),
                )
        left += width + 0.01
    _box(draw, side, (0, road, 1, 1), _jitter(rng, (85, 85, 90)))
    for x in np.arange(float(rng.uniform(-0.1, 0)), 1, 0.22):
        _box(draw, side, (float(x), (road + 1) / 2, float(x) + 0.11, (road + 1) / 2 + 0.02), (240, 240, 235))
    return image


def _forest(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (20, 65, 40), (45, 105, 55))
    draw = ImageDraw.Draw(image)
    ground = _horizon(rng, 0.72, 0.82)
    for x in np.arange(float(rng.uniform(0, 0.1)), 1, 0.17):
        _box(
            draw,
            side,
            (float(x), 0, float(x) + float(rng.uniform(0.03, 0.06)), ground),
            _jitter(rng, (80, 55, 35)),
        )
    _box(draw, side, (0, ground, 1, 1), _jitter(rng, (60, 75, 35)))
    _dots(rng, draw, side, 24, (0, 0.25), 0.06, ((18, 75, 38), (30, 95, 48)))
    return image


def _room(rng: np.random.Generator, side: int) -> Image.Image:
    image = _gradient(rng, side, (232, 208, 196), (222, 196, 186))
    draw = ImageDraw.Draw(image)
    floor = _horizon(rng, 0.6, 0.7)
    window = float(rng.uniform(0.08, 0.6))
    _box(draw, side, (window, 0.1, window + 0.3, 0.42), (250, 250, 250))
    _box(draw, side, (window + 0.02, 0.12, window + 0.28, 0.4), _jitter(rng, (165, 210, 235)))
    _box(draw, side, (window + 0.14, 0.1, window + 0.16, 0.42), (250, 250, 250))
    _box(draw, side, (0, floor, 1, 1), _jitter(rng, (165, 112, 66)))
    for y in np.arange(floor, 1, 0.09):
        _box(draw, side, (0, float(y), 1, float(y) + 0.008), (120, 78, 42))
    return image


_PAINTERS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "beach": _beach,
    "desert": _desert,
    "snow": _snow,
    "meadow": _meadow,
    "night": _night,
    "street": _street,
    "forest": _forest,
    "room": _room,
}

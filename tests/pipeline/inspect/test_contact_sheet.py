"""Lines of a contact sheet's cards: ordinary captions, and texts that nobody should have to wrap."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from pipeline.inspect.contact_sheet import draw_contact_sheet
from pipeline.inspect.drawing import to_png
from pipeline.inspect.examples import Example
from tests.images import encoded, picture

TILE, PADDING, LINE = 224, 12, 22  # of a card: its width, the space around its text, and the height of a line

ENDLESS = {
    "no space": "x" * 100_000,
    "one word of 2,000": "0" * 2000,
    "short words": "a " * 50_000,
    "marks without width": "e" + "\u0301" * 100_000,
    "no width at all": "\u200b" * 100_000,
    "right to left": "\u0645\u0631\u062d\u0628\u0627" * 20_000,
    "overrides": "\u202ea\u202d" * 50_000,
    "control characters": "\0a\x1b[31m" * 20_000,
    "no text": "a\ud800" * 50_000,
    "joined": "\U0001f469\u200d\U0001f692" * 30_000,
    "spaces": "a" + " " * 100_000 + "b",
}


def _example(
    image_id: str = "i", caption: str | None = None, error: str | None = None, reference: str | None = None
) -> Example:
    return Example(image_id, "s", 0, caption, error, reference)


def _height(caption: str) -> int:
    """Of the text below the image, in lines."""
    sheet = draw_contact_sheet([_example(caption=caption)], {})
    return (sheet.height - 2 * 24 - TILE - 2 * PADDING) // LINE


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS.keys())
def test_endless_texts_take_five_lines_each_at_once(text: str) -> None:
    examples = [_example(text), _example(caption=text, reference=text), _example(error=text)]
    sheet = draw_contact_sheet(examples, {})
    assert to_png(sheet).startswith(b"\x89PNG")
    assert sheet.height <= 2 * 24 + TILE + 2 * PADDING + 5 * 22 + 5 * 18


def test_words_stay_whole_and_long_ones_are_cut_where_they_are_full() -> None:
    width = ImageFont.load_default(size=16).getlength
    words = "a brown dog runs along the long white beach with a stick"
    lines, line = 1, ""
    for word in words.split():  # as a typist would
        if width(f"{line} {word}".strip()) > TILE - 2 * PADDING:
            lines, line = lines + 1, word
        else:
            line = f"{line} {word}".strip()
    assert _height(words) == lines == 3
    fit = next(n for n in range(1, 100) if width("m" * (n + 1)) > TILE - 2 * PADDING)
    assert [_height("m" * n) for n in (fit, fit + 1, 2 * fit, 2 * fit + 1, 9 * fit)] == [1, 2, 2, 3, 5]
    assert _height(f"a {'m' * fit} b") == 3


def test_what_stands_after_the_fifth_line_changes_nothing() -> None:
    def pixels(text: str) -> np.ndarray:
        return np.asarray(draw_contact_sheet([_example(caption=text)], {}))

    text = "one two three four five six seven " * 12
    assert np.array_equal(pixels(text), pixels(text + "and much more " * 10_000))
    assert not np.array_equal(pixels(text), pixels("another " + text))


def test_a_card_shows_its_image() -> None:
    image = picture(3)
    card = draw_contact_sheet([_example("a", caption="a")], {"a": encoded(image, "PNG")})
    shown = card.crop((24, 24, 24 + TILE, 24 + TILE)).convert("RGB")
    expected = image.resize((TILE, round(TILE * image.height / image.width)), Image.Resampling.BICUBIC)
    top = (TILE - expected.height) // 2
    difference = np.abs(np.asarray(shown, int)[top : top + expected.height] - np.asarray(expected, int))
    assert difference.mean() < 3

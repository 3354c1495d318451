"""Make the sprite atlas from the Noto Color Emoji font: `python -m maccap.scenes.world.sprites FONT.ttf`.

Run once; the result is committed, so that rendering needs no font.
"""

import sys
from importlib.resources import files

from PIL import Image, ImageDraw, ImageFont

from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.render import ATLAS_COLUMNS, SPRITE

_GLYPH = 109  # the only size the font's bitmaps come in


def draw_atlas(font_path: str) -> Image.Image:
    """All sprites on one transparent image, in the order of NOUNS, ATLAS_COLUMNS a row."""
    font = ImageFont.truetype(font_path, _GLYPH)
    rows = -(-len(NOUNS) // ATLAS_COLUMNS)
    atlas = Image.new("RGBA", (ATLAS_COLUMNS * SPRITE, rows * SPRITE))
    for index, noun in enumerate(NOUNS):
        glyph = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(glyph).text((8, 8), noun.emoji, font=font, embedded_color=True)
        box = glyph.getbbox()
        if box is None:
            raise ValueError(f"{font_path} has no glyph for {noun.singular}")
        glyph = glyph.crop(box)
        glyph.thumbnail((SPRITE - 2, SPRITE - 2), Image.Resampling.LANCZOS)
        row, column = divmod(index, ATLAS_COLUMNS)
        left = column * SPRITE + (SPRITE - glyph.width) // 2
        atlas.paste(glyph, (left, row * SPRITE + (SPRITE - glyph.height) // 2))
    return atlas


if __name__ == "__main__":
    draw_atlas(sys.argv[1]).save(str(files("maccap.scenes.world") / "sprites.png"), optimize=True)

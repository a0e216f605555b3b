"""Tiles that show no pixels."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

_SIDE = 256
_GREY = (90, 90, 90, 255)
_WORDS = "zoom in: no overview\nof this much is made"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


EMPTY = _png(Image.new("LA", (_SIDE, _SIDE)))
"""Nothing: transparent."""


@lru_cache(maxsize=1)
def zoom_in() -> bytes:
    """Return the tile for what would need too many pixels to be read at once."""
    picture = Image.new("RGBA", (_SIDE, _SIDE), (255, 255, 255, 150))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=(160, 160, 160, 255))
    font = ImageFont.load_default(size=15)
    draw.multiline_text((_SIDE / 2, _SIDE / 2), _WORDS, fill=_GREY, font=font, anchor="mm", align="center")
    return _png(picture)

"""A table of pictures with headings and captions: the layout of comparison sheets and of the stage `compare`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from henshin.images.picture import Picture

GAP = 8
"""Distance between two cells, in pixels."""

FONT_SIZE, LINE = 13, 20
"""Size of the font and height of a line of text, in pixels, unless a table has another font size."""

_MOST_COLUMN_WIDTH = 400
"""Largest width of a heading in pixels, unless cells are wider; a longer one is shortened."""

_MISSING = "failed"
"""The text in place of a picture that is not there, unless there is a better one."""


@dataclass
class TableRow:
    """One row: a title above it, and by column a picture (H, W, 3) uint8 with the caption below it.

    None in place of a picture leaves its cell empty, with the caption in it.
    """

    title: str = ""
    cells: dict[str, tuple[Picture | None, str]] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Pixels of the highest picture; 0 without any."""
        return max((int(shown.shape[0]) for shown, _ in self.cells.values() if shown is not None), default=0)

    @property
    def has_captions(self) -> bool:
        """Whether any picture has a caption below it."""
        return any(caption for shown, caption in self.cells.values() if shown is not None)


class PictureTable:
    """Draws rows of pictures, each column with its heading.

    ``columns`` are names, ``headings`` the texts above them. ``cell`` is the width of the widest picture; a column is
    wider where its heading is. Text that is still too wide is shortened. ``font_size`` is in pixels.
    """

    def __init__(
        self, columns: Sequence[str], headings: Sequence[str], cell: int, font_size: int = FONT_SIZE, gap: int = GAP
    ) -> None:
        self.columns, self.headings, self.font_size, self.gap = list(columns), list(headings), font_size, gap
        self.line = round(font_size * LINE / FONT_SIZE)
        longest = max((self._text_width(_latin1(heading)) for heading in self.headings), default=0)
        self.column_width = max(cell, min(longest, _MOST_COLUMN_WIDTH))

    @property
    def width(self) -> int:
        """Pixels of the whole table."""
        return self.gap + len(self.columns) * (self.column_width + self.gap)

    def left(self, column: int) -> int:
        """Return the distance of a column, counted from 0, from the left edge."""
        return self.gap + column * (self.column_width + self.gap)

    def draw(self, rows: Sequence[TableRow]) -> Picture:
        """Return the table, (H, W, 3) uint8, black on white."""
        import numpy as np
        from PIL import Image, ImageDraw

        height = self.line + sum(self._row_height(row) for row in rows)
        page = Image.new("RGB", (self.width, height), "white")
        pen = ImageDraw.Draw(page)
        for number, heading in enumerate(self.headings):
            self._write(pen, (self.left(number), 2), heading)
        top = self.line
        for row in rows:
            self._write(pen, (self.gap, top + 2), row.title, self.width)
            for number, name in enumerate(self.columns):
                position = (self.left(number), top + self.line * bool(row.title))
                self._draw_cell(page, pen, row.cells.get(name, (None, _MISSING)), position, row.height)
            top += self._row_height(row)
        return np.asarray(page)

    def _row_height(self, row: TableRow) -> int:
        return row.height + self.line * (bool(row.title) + row.has_captions) + self.gap

    def _draw_cell(
        self,
        page: Image.Image,
        pen: ImageDraw.ImageDraw,
        cell: tuple[Picture | None, str],
        position: tuple[int, int],
        height: int,
    ) -> None:
        from PIL import Image

        (shown, caption), (left, top) = cell, position
        if shown is None:
            self._write(pen, (left, top + height // 2), caption)
            return
        page.paste(Image.fromarray(shown), position)
        self._write(pen, (left, top + shown.shape[0] + 2), caption)

    def _write(self, pen: ImageDraw.ImageDraw, position: tuple[int, int], text: str, width: int | None = None) -> None:
        """Draw a line of text, shortened to its width."""
        text = _latin1(text)
        while text and self._text_width(text) > (width or self.column_width):
            text = text[:-2] + "\N{HORIZONTAL ELLIPSIS}" if len(text) > 2 else ""
        pen.text(position, text, fill="black", font=_font(self.font_size))

    def _text_width(self, text: str) -> int:
        return math.ceil(float(_font(self.font_size).getlength(text)))


@lru_cache(maxsize=4)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _latin1(text: str) -> str:
    """Return a text in the characters that Pillow's own font has, others as "?"."""
    return text.encode("latin-1", "replace").decode("latin-1")

"""Contact sheets: pages of small pictures with names and captions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from henshin.files import write_atomic
from henshin.images.picture import Picture
from henshin.images.resizing import Filter

if TYPE_CHECKING:
    from PIL.Image import Image


COLUMNS, CELL, GAP, LINE, LINES, FONT = 8, 128, 14, 13, 4, 11
"""Columns; pixels of a cell's side, between cells, and of a line of text; lines of text; font size."""

INSET = 52
"""Pixels of an inset's side."""

CHEQUER, LIGHT, DARK = 8, (225, 225, 225), (190, 190, 190)
"""Pixels of a square of the chequerboard under transparent pictures, and its two greys."""

PAPER, INK, FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)


class Cell(NamedTuple):
    """One picture of a sheet: its file, name and caption, and the file of a second picture in its corner."""

    file: Path
    name: str
    caption: str
    inset: Path | None = None


def draw_sheet(title: str, cells: Sequence[Cell], path: Path) -> None:
    """Write a contact sheet of the pictures, row by row, as a PNG. Errors: OSError."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max(1, min(COLUMNS, len(cells)))
    rows = -(-len(cells) // columns)
    width = max(columns * (CELL + GAP) + GAP, 3 * (CELL + GAP))
    row_height = CELL + LINES * LINE + GAP
    page = Image.new("RGB", (width, 3 * GAP + rows * row_height), PAPER)
    pen = ImageDraw.Draw(page)
    font, bold = ImageFont.load_default(FONT), ImageFont.load_default(FONT + 3)
    pen.text((GAP, GAP // 2), title, INK, bold)
    for number, cell in enumerate(cells):
        left, top = GAP + number % columns * (CELL + GAP), 3 * GAP + number // columns * row_height
        image = _read_thumbnail(cell.file, CELL)
        if image is not None:
            page.paste(image, (left + (CELL - image.width) // 2, top + CELL - image.height))
        second = _read_thumbnail(cell.inset, INSET) if cell.inset is not None else None
        if second is not None:
            framed = ImageOps.expand(second, 2, PAPER)
            page.paste(framed, (left + CELL - framed.width, top + CELL - framed.height))
        for line, (text, colour) in enumerate(_lines(cell)):
            pen.text((left, top + CELL + 3 + line * LINE), text, colour, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        page.save(part, "PNG")


def _lines(cell: Cell) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the lines of text of a cell with their colours: the end of the name, and the caption, wrapped."""
    letters = CELL // 6
    name = cell.name if len(cell.name) <= letters else f"…{cell.name[1 - letters :]}"
    caption = textwrap.wrap(cell.caption, letters + 1, max_lines=LINES - 1, placeholder=" …")
    return [(name, INK), *((line, FAINT) for line in caption)]


def _read_thumbnail(file: Path, side: int) -> Image | None:
    """Return a file's picture reduced to at most this side, or None if it cannot be read."""
    from PIL import Image

    from henshin.errors import PictureError
    from henshin.images import read

    try:
        decoded = read(file)
    except PictureError:
        return None
    image = thumbnail(decoded.picture, decoded.alpha, side)
    return image if decoded.alpha is None else Image.alpha_composite(_chequerboard(image.size), image).convert("RGB")


def thumbnail(picture: Picture, alpha: Picture | None, side: int, filter: Filter = "box") -> Image:
    """Return a picture reduced to at most this side. Its pixels are weighted by its alpha (H, W), if it has any."""
    from PIL import Image

    image = Image.fromarray(picture)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((side, side), Image.Resampling[filter.upper()], reducing_gap=3.0)
    return image


def _chequerboard(size: tuple[int, int]) -> Image:
    """Return the background of transparent pictures."""
    from PIL import Image

    ground = Image.new("RGBA", size, LIGHT)
    for top in range(0, size[1], CHEQUER):
        for left in range(top % (2 * CHEQUER), size[0], 2 * CHEQUER):
            ground.paste(DARK, (left, top, left + CHEQUER, top + CHEQUER))
    return ground

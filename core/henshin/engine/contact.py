"""A contact sheet: small pictures in a grid, with words under each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from henshin.frame import Picture

COLUMNS, CELL, GAP, LINE, LINES, FONT = 8, 128, 14, 13, 4, 11
"""Pictures in a row; pixels of a cell's side, between cells, and of a line of text; lines; size of the letters."""

BESIDE = 52
"""Pixels of a second picture's side."""

CHEQUER, LIGHT, DARK = 8, (225, 225, 225), (190, 190, 190)
"""Pixels of a square of the ground under what is transparent, and its two greys."""

PAPER, INK, FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)


class Cell(NamedTuple):
    """One picture of a sheet: its file, what it is called, what is said of it, and a second one in its corner."""

    file: Path
    name: str
    words: str
    beside: Path | None = None


def draw(title: str, cells: Sequence[Cell], path: Path) -> None:
    """Write a PNG of the pictures in their order, reading by rows. Errors: OSError."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max(1, min(COLUMNS, len(cells)))
    rows = -(-len(cells) // columns)
    width = max(columns * (CELL + GAP) + GAP, 3 * (CELL + GAP))
    high = CELL + LINES * LINE + GAP
    page = Image.new("RGB", (width, 3 * GAP + rows * high), PAPER)
    pen = ImageDraw.Draw(page)
    font, bold = ImageFont.load_default(FONT), ImageFont.load_default(FONT + 3)
    pen.text((GAP, GAP // 2), title, INK, bold)
    for number, cell in enumerate(cells):
        left, top = GAP + number % columns * (CELL + GAP), 3 * GAP + number // columns * high
        image = _opened(cell.file, CELL)
        if image is not None:
            page.paste(image, (left + (CELL - image.width) // 2, top + CELL - image.height))
        second = _opened(cell.beside, BESIDE) if cell.beside is not None else None
        if second is not None:
            framed = ImageOps.expand(second, 2, PAPER)
            page.paste(framed, (left + CELL - framed.width, top + CELL - framed.height))
        for line, (text, colour) in enumerate(_lines(cell)):
            pen.text((left, top + CELL + 3 + line * LINE), text, colour, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    page.save(side, "PNG")
    side.replace(path)


def _lines(cell: Cell) -> list[tuple[str, tuple[int, int, int]]]:
    """The end of the name, which tells pictures apart, and the words in as many lines as there is room for."""
    letters = CELL // 6
    name = cell.name if len(cell.name) <= letters else f"…{cell.name[1 - letters :]}"
    words = textwrap.wrap(cell.words, letters + 1, max_lines=LINES - 1, placeholder=" …")
    return [(name, INK), *((word, FAINT) for word in words)]


def _opened(file: Path, side: int) -> Image | None:
    """Return a picture of at most this side, or None where it cannot be read any more."""
    from PIL import Image

    from henshin.errors import PictureError
    from henshin.images import read

    try:
        found = read(file)
    except PictureError:
        return None
    image = reduced(found.picture, found.alpha, side)
    return image if found.alpha is None else Image.alpha_composite(_chequered(image.size), image).convert("RGB")


def reduced(picture: Picture, alpha: Picture | None, side: int) -> Image:
    """Return a picture of at most this side, with its alpha (H, W) if it has any; what is transparent has no weight."""
    from PIL import Image

    image = Image.fromarray(picture)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=3.0)
    return image


def _chequered(size: tuple[int, int]) -> Image:
    """Return the ground on which transparent pictures are shown."""
    from PIL import Image

    ground = Image.new("RGBA", size, LIGHT)
    for top in range(0, size[1], CHEQUER):
        for left in range(top % (2 * CHEQUER), size[0], 2 * CHEQUER):
            ground.paste(DARK, (left, top, left + CHEQUER, top + CHEQUER))
    return ground

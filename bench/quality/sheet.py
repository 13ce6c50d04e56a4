"""The sheet of a model: every photo's crop, with what was drawn of it below, by numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from henshin.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from henshin import Picture

CELL = 128
COLUMNS = 14
LINE = 16


def draw_sheet(path: Path, photos: Sequence[Picture], drawn: Sequence[Picture]) -> None:
    """Write a PNG with all pairs in their order, `COLUMNS` in a row, the number (from 1) above each."""
    from PIL import Image, ImageDraw, ImageFont

    step = LINE + 2 * CELL + 6
    columns, rows = min(COLUMNS, len(photos)), -(-len(photos) // COLUMNS)
    page = Image.new("RGB", (columns * (CELL + 2), rows * step), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(LINE - 4)
    for i, pair in enumerate(zip(photos, drawn, strict=True)):
        left, top = i % COLUMNS * (CELL + 2), i // COLUMNS * step
        pen.text((left + 2, top), str(i + 1), fill="black", font=font)
        for k, picture in enumerate(pair):
            shown = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.BICUBIC)
            page.paste(shown, (left, top + LINE + k * CELL))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        page.save(part, format="PNG")

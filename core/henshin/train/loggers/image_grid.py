"""Sample sheets: rows of pictures as one PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from henshin.files import write_atomic
from henshin.images.picture import Picture

Row = Tensor | Sequence[Picture]
"""A row of a sheet: a tensor (N, 3, H, W) in [-1, 1], or pictures (H, W, 3) uint8 of any size."""

WIDEST = 4096
"""Greatest width of a sheet, pixels; longer rows are wrapped, and wider pictures reduced."""


def pixels(row: Row) -> list[Picture]:
    """Return the pictures of a row, (H, W, 3) uint8."""
    if not isinstance(row, Tensor):
        return list(row)
    scaled = (row.detach().float().cpu().clamp(-1, 1) + 1) * 127.5
    return list(scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def save_image_grid(
    rows: Sequence[Row], path: Path, gap: int = 2, names: Sequence[str] = (), widest: int = WIDEST
) -> Image.Image | None:
    """Write a PNG with each row's pictures side by side, and return it. Empty rows are left out.

    `names` are written at the left of their rows. Rows wider than `widest` pixels are wrapped, all after the same
    number of pictures, so that the columns stay aligned. Returns None, with nothing written, without any picture.
    """
    named = [(name, strip) for name, strip in zip(_pad(names, len(rows)), map(pixels, rows), strict=True) if strip]
    if not named:
        return None
    margin = _name_width(names)
    lines = list(_wrap(named, widest - margin, gap))
    width = margin + max(sum(picture.shape[1] + gap for picture in strip) for _, strip in lines)
    height = sum(max(picture.shape[0] for picture in strip) + gap for _, strip in lines)
    page = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for name, strip in lines:
        left = margin
        for picture in strip:
            page.paste(Image.fromarray(picture), (left, top))
            left += picture.shape[1] + gap
        if name:
            pen.text((4, top + 4), name, fill="black", font=ImageFont.load_default())
        top += max(picture.shape[0] for picture in strip) + gap
    if page.width > widest:
        page = page.resize((widest, max(1, round(page.height * widest / page.width))))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        page.save(part, "PNG")
    return page


def _pad(names: Sequence[str], count: int) -> list[str]:
    """Return a name for every row, "" for rows without one."""
    return [name or "" for name, _ in zip_longest(names, range(count))][:count]


def _name_width(names: Sequence[str]) -> int:
    """Return the width of the longest name, pixels."""
    font = ImageFont.load_default()
    return max((round(font.getlength(name)) + 8 for name in names if name), default=0)


def _wrap(named: Sequence[tuple[str, list[Picture]]], width: int, gap: int) -> Iterator[tuple[str, list[Picture]]]:
    """Wrap all rows after as many pictures as fit into the width, at least one."""
    longest = max(len(strip) for _, strip in named)
    widest = max(picture.shape[1] + gap for _, strip in named for picture in strip)
    columns = longest if widest * longest <= width else max(1, width // widest)
    for first in range(0, longest, columns):
        for name, strip in named:
            if strip[first : first + columns]:
                yield name, strip[first : first + columns]

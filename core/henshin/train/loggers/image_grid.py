"""Sample sheets: what a person looks at while a network learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from henshin.images.picture import Picture

Row = Tensor | Sequence[Picture]
"""A row of a sheet: a tensor (N, 3, H, W) in [-1, 1], or pictures (H, W, 3) uint8 of any sizes."""

WIDEST = 4096
"""Pixels: a wider row goes on below, together with all the others; a wider picture is reduced."""


def pixels(row: Row) -> list[Picture]:
    """The pictures of a row as uint8."""
    if not isinstance(row, Tensor):
        return list(row)
    scaled = (row.detach().float().cpu().clamp(-1, 1) + 1) * 127.5
    return list(scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def save_image_grid(
    rows: Sequence[Row], path: Path, gap: int = 2, names: Sequence[str] = (), widest: int = WIDEST
) -> Image.Image | None:
    """Write a PNG with each row's pictures side by side, and return it. Empty rows are left out.

    `names` stand at the left of their rows. Rows that would be wider than `widest` pixels are broken, all at the same
    picture, so that what belongs together stays one above the other.
    """
    named = [(name, strip) for name, strip in zip(_padded(names, len(rows)), map(pixels, rows), strict=True) if strip]
    if not named:
        return None
    margin = _margin(names)
    lines = list(_broken(named, widest - margin, gap))
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
    side = path.with_suffix(".part")
    page.save(side, "PNG")
    side.replace(path)
    return page


def _padded(names: Sequence[str], count: int) -> list[str]:
    """A name for every row, "" where none is given."""
    return [name or "" for name, _ in zip_longest(names, range(count))][:count]


def _margin(names: Sequence[str]) -> int:
    """How many pixels the longest name takes."""
    font = ImageFont.load_default()
    return max((round(font.getlength(name)) + 8 for name in names if name), default=0)


def _broken(named: Sequence[tuple[str, list[Picture]]], room: int, gap: int) -> Iterator[tuple[str, list[Picture]]]:
    """Break all rows after as many pictures as fit into the room, at least one."""
    longest = max(len(strip) for _, strip in named)
    widest = max(picture.shape[1] + gap for _, strip in named for picture in strip)
    columns = longest if widest * longest <= room else max(1, room // widest)
    for first in range(0, longest, columns):
        for name, strip in named:
            if strip[first : first + columns]:
                yield name, strip[first : first + columns]

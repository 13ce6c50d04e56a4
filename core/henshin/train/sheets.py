"""Sample sheets: what a person looks at while a network learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from henshin.frame import Picture

Row = Tensor | Sequence[Picture]
"""A row of a sheet: a tensor (N, 3, H, W) in [-1, 1], or pictures (H, W, 3) uint8 of any sizes."""


def pixels(row: Row) -> list[Picture]:
    """The pictures of a row as uint8."""
    if not isinstance(row, Tensor):
        return list(row)
    scaled = (row.detach().float().cpu().clamp(-1, 1) + 1) * 127.5
    return list(scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def sheet(rows: Sequence[Row], path: Path, gap: int = 2) -> None:
    """Write a PNG with each row's pictures side by side. Empty rows are left out."""
    strips = [strip for strip in map(pixels, rows) if strip]
    if not strips:
        return
    width = max(sum(picture.shape[1] + gap for picture in strip) for strip in strips)
    height = sum(max(picture.shape[0] for picture in strip) + gap for strip in strips)
    page = Image.new("RGB", (width, height), "white")
    top = 0
    for strip in strips:
        left = 0
        for picture in strip:
            page.paste(Image.fromarray(picture), (left, top))
            left += picture.shape[1] + gap
        top += max(picture.shape[0] for picture in strip) + gap
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    page.save(side, "PNG")
    side.replace(path)

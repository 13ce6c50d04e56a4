"""Sample sheets: what a person looks at while a network learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor


def sheet(rows: Sequence[Tensor], path: Path, gap: int = 2) -> None:
    """Write a PNG with a row of pictures for each (N, 3, H, W) in [-1, 1]; rows may differ in size."""
    strips = []
    for row in rows:
        pixels = ((row.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
        strips.append(pixels.numpy())
    width = max((strip.shape[2] + gap) * strip.shape[0] for strip in strips)
    height = sum(strip.shape[1] + gap for strip in strips)
    page = Image.new("RGB", (width, height), "white")
    top = 0
    for strip in strips:
        for i, picture in enumerate(strip):
            page.paste(Image.fromarray(picture), (i * (strip.shape[2] + gap), top))
        top += strip.shape[1] + gap
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    page.save(side, "PNG")
    side.replace(path)

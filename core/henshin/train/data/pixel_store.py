"""Many uint8 pictures in one block of memory, on the device or mapped from disk, and how a batch is taken from it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from henshin.train.data.cache import DecodedImages

SHARE = 0.25
"""Of a GPU's free memory, what one set of pictures may take; the rest belongs to the networks."""

_AT_ONCE = 64 << 20
_AHEAD = getattr(mmap, "MADV_WILLNEED", None)


def place(decoded: DecodedImages, device: torch.device) -> Tensor:
    """The bytes of a set where they are best drawn from: in a GPU's memory if they fit there, else mapped as they are.

    On a CPU the mapping itself is the fastest there is, and the system's page cache the only copy.
    """
    pixels = torch.from_numpy(decoded.pixels)
    if device.type != "cuda" or len(pixels) > SHARE * torch.cuda.mem_get_info(device)[0]:
        return pixels
    block = torch.empty(len(pixels), dtype=torch.uint8, device=device)
    for i in range(0, len(pixels), _AT_ONCE):
        block[i : i + _AT_ONCE].copy_(pixels[i : i + _AT_ONCE])
    return block


class PixelStore:
    """Some pictures of a set, in order: `len()`, `.shape`, and slices or lists of them as uint8 (n, 3, size, size).

    What is taken comes on `device`, and is the middle of each picture where those are larger than `size`.
    """

    def __init__(
        self, decoded: DecodedImages, pixels: Tensor, rows: np.ndarray, size: int, device: torch.device
    ) -> None:
        self.decoded, self.pixels, self.rows, self.size, self.device = decoded, pixels, rows, size, device
        self.ready = bool((decoded.shapes == size).all())  # every picture is its own crop already
        self.pinned = device.type == "cuda" and pixels.device.type == "cpu"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, 3, size, size)."""
        return len(self), 3, self.size, self.size

    def __getitem__(self, which: slice | int | Sequence[int] | np.ndarray | Tensor) -> Tensor:
        if isinstance(which, Tensor):
            which = which.cpu().numpy()
        rows: Any = np.arange(len(self))[which]
        if np.ndim(rows) == 0:
            return self.take(np.array([rows]))[0]
        return self.take(rows)

    def take(self, rows: np.ndarray, places: np.ndarray | None = None) -> Tensor:
        """Cut out pictures, uint8 (n, 3, size, size) on the device.

        `rows` (n,) in 0..N-1; `places` (n, 2) in [0, 1): where each square lies from top to bottom and from left to
        right; without it in the middle.
        """
        rows = self.rows[rows]
        self._read_ahead(rows)
        if self.ready:
            return self._whole(rows)
        spare = self.decoded.shapes[rows] - self.size
        corners = spare // 2 if places is None else (places * (spare + 1)).astype(np.int64)
        squares = [self._square(row, *corner) for row, corner in zip(rows, corners.tolist(), strict=True)]
        if not squares:
            return torch.zeros((0, 3, self.size, self.size), dtype=torch.uint8, device=self.device)
        out = self._pinned(len(squares)) if self.pinned else None
        return torch.stack(squares, out=out).to(self.device, non_blocking=True)

    def _whole(self, rows: np.ndarray) -> Tensor:
        block = self.pixels.view(-1, 3, self.size, self.size)
        index = torch.from_numpy(self.decoded.starts[rows] // (3 * self.size * self.size)).to(block.device)
        out = self._pinned(len(rows)) if self.pinned else None
        return torch.index_select(block, 0, index, out=out).to(self.device, non_blocking=True)

    def _square(self, row: int, top: int, left: int) -> Tensor:
        start, (height, width) = self.decoded.starts[row], self.decoded.shapes[row]
        picture = self.pixels[start : start + 3 * height * width].view(3, height, width)
        return picture[:, top : top + self.size, left : left + self.size]

    def _pinned(self, count: int) -> Tensor:
        """Memory from which the GPU fetches by itself, while this process goes on; PyTorch keeps it for the next."""
        return torch.empty((count, 3, self.size, self.size), dtype=torch.uint8, pin_memory=True)

    def _read_ahead(self, rows: np.ndarray) -> None:
        """Ask the system for all the pictures at once, for a disk is fast only when it is asked for much."""
        mapped = self.decoded.mapped
        if _AHEAD is None or mapped is None or self.pixels.device.type != "cpu":
            return
        for start, (height, width) in zip(self.decoded.starts[rows], self.decoded.shapes[rows], strict=True):
            begin = int(start) // mmap.PAGESIZE * mmap.PAGESIZE
            mapped.madvise(_AHEAD, begin, min(int(start + 3 * height * width), len(mapped)) - begin)

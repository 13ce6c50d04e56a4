"""Training pictures as one block of uint8 memory, on the device or mapped from disk."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from henshin.train.data.cache import DecodedImages

MEMORY_SHARE = 0.25
"""Share of a GPU's free memory that one set of pictures may take; the rest is for the networks."""

_COPY_BYTES = 64 << 20
_WILL_NEED = getattr(mmap, "MADV_WILLNEED", None)


def place_pixels(decoded: DecodedImages, device: torch.device) -> Tensor:
    """Return the bytes of a set: copied to the memory of a GPU if they fit there, else mapped from disk.

    On a CPU the mapping is read directly, and the system's page cache is the only copy in memory.
    """
    pixels = torch.from_numpy(decoded.pixels)
    if device.type != "cuda" or len(pixels) > MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
        return pixels
    block = torch.empty(len(pixels), dtype=torch.uint8, device=device)
    for i in range(0, len(pixels), _COPY_BYTES):
        block[i : i + _COPY_BYTES].copy_(pixels[i : i + _COPY_BYTES])
    return block


class PixelStore:
    """Some pictures of a decoded set, indexed like a uint8 tensor (N, 3, size, size) on `device`.

    Indexing returns the middle square of pictures that are larger than `size`; `take` returns other squares too.
    """

    def __init__(
        self, decoded: DecodedImages, pixels: Tensor, rows: np.ndarray, size: int, device: torch.device
    ) -> None:
        self.decoded, self.pixels, self.rows, self.size, self.device = decoded, pixels, rows, size, device
        self.cropped = bool((decoded.shapes == size).all())
        self.pin_memory = device.type == "cuda" and pixels.device.type == "cpu"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all pictures, (N, 3, size, size)."""
        return len(self), 3, self.size, self.size

    def __getitem__(self, which: slice | int | Sequence[int] | np.ndarray | Tensor) -> Tensor:
        if isinstance(which, Tensor):
            which = which.cpu().numpy()
        rows: Any = np.arange(len(self))[which]
        if np.ndim(rows) == 0:
            return self.take(np.array([rows]))[0]
        return self.take(rows)

    def take(self, rows: np.ndarray, positions: np.ndarray | None = None) -> Tensor:
        """Return crops of the pictures `rows` (n,) in 0..N-1, uint8 (n, 3, size, size) on the device.

        `positions` (n, 2) in [0, 1) are the places of the crops, from top to bottom and from left to right; without
        them the crops are from the middle.
        """
        rows = self.rows[rows]
        self._read_ahead(rows)
        if self.cropped:
            return self._take_whole(rows)
        slack = self.decoded.shapes[rows] - self.size
        corners = slack // 2 if positions is None else (positions * (slack + 1)).astype(np.int64)
        crops = [self._crop(row, *corner) for row, corner in zip(rows, corners.tolist(), strict=True)]
        if not crops:
            return torch.zeros((0, 3, self.size, self.size), dtype=torch.uint8, device=self.device)
        out = self._pinned_buffer(len(crops)) if self.pin_memory else None
        return torch.stack(crops, out=out).to(self.device, non_blocking=True)

    def _take_whole(self, rows: np.ndarray) -> Tensor:
        block = self.pixels.view(-1, 3, self.size, self.size)
        index = torch.from_numpy(self.decoded.starts[rows] // (3 * self.size * self.size)).to(block.device)
        out = self._pinned_buffer(len(rows)) if self.pin_memory else None
        return torch.index_select(block, 0, index, out=out).to(self.device, non_blocking=True)

    def _crop(self, row: int, top: int, left: int) -> Tensor:
        start, (height, width) = self.decoded.starts[row], self.decoded.shapes[row]
        picture = self.pixels[start : start + 3 * height * width].view(3, height, width)
        return picture[:, top : top + self.size, left : left + self.size]

    def _pinned_buffer(self, count: int) -> Tensor:
        """Return page-locked memory, from which the copy to the GPU is asynchronous; PyTorch caches it."""
        return torch.empty((count, 3, self.size, self.size), dtype=torch.uint8, pin_memory=True)

    def _read_ahead(self, rows: np.ndarray) -> None:
        """Request all pictures of a batch from the system at once: a disk is fast only with many requests."""
        mapped = self.decoded.mapped
        if _WILL_NEED is None or mapped is None or self.pixels.device.type != "cpu":
            return
        for start, (height, width) in zip(self.decoded.starts[rows], self.decoded.shapes[rows], strict=True):
            begin = int(start) // mmap.PAGESIZE * mmap.PAGESIZE
            mapped.madvise(_WILL_NEED, begin, min(int(start + 3 * height * width), len(mapped)) - begin)

"""Event files for TensorBoard: metrics and sample sheets of a run, shown by `tensorboard --logdir runs`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch.utils.tensorboard import SummaryWriter

WIDEST = 1280
"""Greatest width of a sheet in TensorBoard, pixels, to save disk space; the full one is in `samples/`."""


class TensorBoardLogger:
    """Writes event files to `board/`; TensorBoard is loaded, and the file opened, at the first value.

    ``purge_step`` hides the values of earlier sessions from that step on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "board"
        self.purge_step: int | None = None
        self._writer: SummaryWriter | None = None

    @property
    def writer(self) -> SummaryWriter:
        """The open event file."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=self.purge_step)
        return self._writer

    def values(self, step: int, means: Mapping[str, float]) -> None:
        """Write the means of a line of the log."""
        for name, mean in means.items():
            self.writer.add_scalar(name, mean, step)

    def sheet(self, step: int, name: str, page: Image) -> None:
        """Write a sample sheet; sheets whose names differ only in their digits share a tag."""
        if page.width > WIDEST:
            page = page.resize((WIDEST, max(1, round(page.height * WIDEST / page.width))))
        tag = name.strip("0123456789-_") or "samples"
        self.writer.add_image(tag, np.asarray(page.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

"""Event files for TensorBoard: `tensorboard --logdir runs` shows every run's curves and sheets beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch.utils.tensorboard import SummaryWriter

WIDEST = 1280
"""A sheet of every epoch adds up: on the board it is at most this wide. The whole one lies in `samples/`."""


class TensorBoardLogger:
    """Writes `board/`; the file is opened, and TensorBoard loaded, when there is something to write.

    ``purge`` hides what an earlier sitting of the run wrote after the checkpoint from which this one goes on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "board"
        self.purge: int | None = None
        self._writer: SummaryWriter | None = None

    @property
    def writer(self) -> SummaryWriter:
        """The open event file."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=self.purge)
        return self._writer

    def values(self, step: int, means: Mapping[str, float]) -> None:
        """Write the means of a line of the log."""
        for name, mean in means.items():
            self.writer.add_scalar(name, mean, step)

    def sheet(self, step: int, name: str, page: Image) -> None:
        """Write a sample sheet; those named after their step alone stand in one row of the board."""
        if page.width > WIDEST:
            page = page.resize((WIDEST, max(1, round(page.height * WIDEST / page.width))))
        tag = name.strip("0123456789-_") or "samples"
        self.writer.add_image(tag, np.asarray(page.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is left."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

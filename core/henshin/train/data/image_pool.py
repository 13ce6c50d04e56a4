"""Pool of earlier generated pictures for a discriminator (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """A pool of up to `size` generated pictures: half of the returned pictures are earlier ones.

    A pool of size 0 returns its input. No gradient flows through a pool.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        self.pictures: list[Tensor] = []

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return N pictures for N new ones (N, 3, H, W): once the pool is full, each is exchanged with probability 0.5.

        A new picture takes the place of the one that it is exchanged for. A pool of pictures of another size is
        emptied first.
        """
        if self.pictures and self.pictures[0].shape != pictures.shape[1:]:
            self.pictures.clear()
        if self.size == 0:
            return pictures.detach()
        return torch.stack([self._exchange(picture) for picture in pictures.detach()])

    def _exchange(self, picture: Tensor) -> Tensor:
        if len(self.pictures) < self.size:
            self.pictures.append(picture.clone())
            return picture
        if self.rng.random() < 0.5:
            return picture
        index = int(self.rng.integers(self.size))
        earlier, self.pictures[index] = self.pictures[index], picture.clone()
        return earlier

    def state_dict(self) -> dict[str, Any]:
        """Return the pictures; the random state is saved with the run."""
        return {"pictures": list(self.pictures)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the pictures."""
        self.pictures = list(state["pictures"])

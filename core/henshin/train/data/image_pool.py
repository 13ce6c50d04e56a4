"""The pool of earlier drawings with which a discriminator is reminded of the past (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` pictures; each one asked for comes, with an even chance, from the past instead of the present.

    A pool of size 0 gives back what it gets. No gradient flows through any pool.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        self.pictures: list[Tensor] = []

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) new pictures -> as many, some of them old; the new ones take their places in the pool.

        A pool of pictures of another size is emptied.
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
        place = int(self.rng.integers(self.size))
        old, self.pictures[place] = self.pictures[place], picture.clone()
        return old

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs; the random state is the run's."""
        return {"pictures": list(self.pictures)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.pictures = list(state["pictures"])

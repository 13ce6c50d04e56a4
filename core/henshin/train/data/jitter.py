"""Jitter of training pictures: random small shifts, zooms and turns of real pictures, reflected at the border.

Unlike the augmentations of a discriminator's input, which stay outside what a generator sees, these make a data set
larger: both domains of a run are placed less alike, and the place in the picture tells less of what is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Jitter:
    """Largest changes, each evenly distributed in both directions.

    `shift` is a share of the side, down and across; `zoom` the logarithm of the factor; `turn` an angle in radians.
    """

    shift: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0

    def __bool__(self) -> bool:
        """Return whether anything is changed."""
        return bool(self.shift or self.zoom or self.turn)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the changes of `count` pictures: float32 (count, 4), shift across and down, zoom, turn."""
        largest = (self.shift, self.shift, self.zoom, self.turn)
        return (rng.uniform(-1, 1, (count, 4)) * largest).astype(np.float32)


def jitter(pictures: Tensor, changes: np.ndarray) -> Tensor:
    """Return pictures (N, C, S, S), shifted, zoomed and turned by `Jitter.draw`: bilinear, one call for the batch.

    A positive shift moves to the right or down, a positive zoom enlarges, a positive turn is clockwise.
    """
    across, down, zoom, turn = torch.from_numpy(changes).to(pictures.device, pictures.dtype).unbind(1)
    # the grid maps positions in the result to the picture, with sides from -1 to 1
    cosine, sine = torch.exp(-zoom) * turn.cos(), torch.exp(-zoom) * turn.sin()
    columns = torch.stack([cosine, sine, -2 * (cosine * across + sine * down)], 1)
    rows = torch.stack([-sine, cosine, -2 * (cosine * down - sine * across)], 1)
    grid = F.affine_grid(torch.stack([columns, rows], 1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

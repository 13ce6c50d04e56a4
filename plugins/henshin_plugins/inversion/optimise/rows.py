"""State of the rows of a batched optimisation: the best result of each, and removal of finished rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

GAIN = 0.002
"""Least gain, as a share of the loss."""
LEAST = 1e-7
"""Least absolute gain; smaller ones are rounding in fp32."""


@dataclass(slots=True)
class Rows:
    """The unfinished rows of a batch, one for each face and start; the first axis of every tensor.

    `base` are the initial styles, to which the latents are offsets; `seen` the features of the targets and `energy`
    their mean squares; `mark` is the loss to which the next gain is relative and `since` its step.
    """

    number: Tensor
    start: Tensor
    base: Tensor
    target: Tensor
    seen: list[Tensor]
    energy: Tensor
    best: Tensor
    styles: Tensor
    mark: Tensor
    since: Tensor
    broken: Tensor
    noises: list[Tensor]

    @classmethod
    def fresh(
        cls,
        starts: int,
        base: Tensor,
        layers: int,
        target: Tensor,
        seen: list[Tensor],
        energy: Tensor,
        noises: Sequence[Tensor],
    ) -> Rows:
        """Return new rows, the `starts` of each face one after the other; base (R, 1 or L, D)."""
        count, device = len(base), base.device
        most = torch.full((count,), torch.inf, device=device)
        return cls(
            number=torch.arange(count, device=device),
            start=torch.arange(starts, device=device).repeat(count // starts),
            base=base,
            target=target,
            seen=seen,
            energy=energy,
            best=most,
            styles=base.new_zeros(count, layers, base.shape[2]),
            mark=most.clone(),
            since=torch.zeros(count, dtype=torch.long, device=device),
            broken=torch.zeros(count, dtype=torch.bool, device=device),
            noises=[one.clone() for one in noises],
        )

    def only(self, mask: Tensor) -> Rows:
        """Return the rows selected by a mask."""
        return Rows(
            number=self.number[mask],
            start=self.start[mask],
            base=self.base[mask],
            target=self.target[mask],
            seen=[one[mask] for one in self.seen],
            energy=self.energy[mask],
            best=self.best[mask],
            styles=self.styles[mask],
            mark=self.mark[mask],
            since=self.since[mask],
            broken=self.broken[mask],
            noises=[one[mask] for one in self.noises],
        )

    def learn(self, step: int, loss: Tensor, styles: Tensor, noises: Sequence[Tensor]) -> None:
        """Update the best loss, styles and noises of each row."""
        self.broken |= ~loss.isfinite()
        better = loss < self.best  # False for NaN
        self.best = torch.where(better, loss, self.best)
        self.styles = torch.where(better[:, None, None], styles, self.styles)
        self.noises = [
            torch.where(better[:, None, None, None], new, old) for new, old in zip(noises, self.noises, strict=True)
        ]
        gained = loss < self.mark * (1 - GAIN) - LEAST
        self.mark = torch.where(gained, loss, self.mark)
        self.since = torch.where(gained, step, self.since)


def structure(noise: Tensor) -> Tensor:
    """Return (N,) the autocorrelation of noise (N, 1, S, S) at a shift of one, summed over scales.

    For every scale above 4 pixels, each half of the one before: the squared mean product with the neighbour to the
    right, plus that with the one below (Karras et al. 2020, appendix D).
    """
    total = noise.new_zeros(len(noise))
    while noise.shape[2] > 4:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean((1, 2, 3)).square()
        # the mean of four has half the deviation
        noise = 2 * F.avg_pool2d(noise, 2)
    return total


@torch.no_grad()
def normalise(noises: Sequence[Tensor]) -> None:
    """Bring every noise (N, 1, S, S) to mean 0 and mean square 1."""
    for noise in noises:
        noise -= noise.mean((1, 2, 3), keepdim=True)
        noise *= (noise.square().mean((1, 2, 3), keepdim=True) + 1e-8).rsqrt()


def only(steps: torch.optim.Adam, mask: Tensor) -> list[Tensor]:
    """Reduce the parameters of an optimiser, and its moments, to the selected rows; return the new parameters."""
    remaining = []
    for tensor in steps.param_groups[0]["params"]:
        fewer = tensor.detach()[mask].requires_grad_()
        state = steps.state.pop(tensor)
        steps.state[fewer] = {name: value[mask] if value.ndim else value for name, value in state.items()}
        remaining.append(fewer)
    steps.param_groups[0]["params"] = remaining
    return remaining

"""Many things optimised in one batch, each for itself: what is kept of each row, and rows that leave before others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

GAIN = 0.002
"""Share of the loss that counts as a gain."""
LEAST = 1e-7
"""What does so at least: below it is only the rounding of fp32."""


@dataclass(slots=True)
class Rows:
    """The rows of a batch that are still at work, one of each face and start; every tensor begins with them.

    `base` are the styles that the latents are counted from, `seen` the features of the targets and `energy` their mean
    squares, `mark` the loss that the next gain is counted from and `since` its step.
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
        """Rows of which nothing is known yet, `starts` of each face one after the other; base (R, 1 or L, D)."""
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

    def only(self, stay: Tensor) -> Rows:
        """Those rows alone that a mask names."""
        return Rows(
            number=self.number[stay],
            start=self.start[stay],
            base=self.base[stay],
            target=self.target[stay],
            seen=[one[stay] for one in self.seen],
            energy=self.energy[stay],
            best=self.best[stay],
            styles=self.styles[stay],
            mark=self.mark[stay],
            since=self.since[stay],
            broken=self.broken[stay],
            noises=[one[stay] for one in self.noises],
        )

    def learn(self, step: int, loss: Tensor, styles: Tensor, noises: Sequence[Tensor]) -> None:
        """Keep of each row the best that it had."""
        self.broken |= ~loss.isfinite()
        better = loss < self.best  # never of NaN
        self.best = torch.where(better, loss, self.best)
        self.styles = torch.where(better[:, None, None], styles, self.styles)
        self.noises = [
            torch.where(better[:, None, None, None], new, old) for new, old in zip(noises, self.noises, strict=True)
        ]
        gained = loss < self.mark * (1 - GAIN) - LEAST
        self.mark = torch.where(gained, loss, self.mark)
        self.since = torch.where(gained, step, self.since)


def structure(noise: Tensor) -> Tensor:
    """How much neighbouring values of noise (N, 1, S, S) have to do with each other, at all scales: (N,).

    Of every scale above 4 pixels, each half of the one before: the squared mean product with the neighbour to the
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


def only(steps: torch.optim.Adam, stay: Tensor) -> list[Tensor]:
    """Let an optimiser go on with some rows of what it optimises, each with its own moments."""
    kept = []
    for tensor in steps.param_groups[0]["params"]:
        fewer = tensor.detach()[stay].requires_grad_()
        state = steps.state.pop(tensor)
        steps.state[fewer] = {name: value[stay] if value.ndim else value for name, value in state.items()}
        kept.append(fewer)
    steps.param_groups[0]["params"] = kept
    return kept

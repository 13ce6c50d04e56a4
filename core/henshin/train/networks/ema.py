"""An exponential moving average of a network's weights: calmer than the last step of a game that never settles."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class EMA(nn.Module):
    """EMA of the weights of `network`, updated after every step.

    The decay warms up as min(decay, (1 + step) / (10 + step)), so that the first, random weights are soon forgotten.
    Call it like the network itself. Buffers are copied, or with `own_buffers` left to whoever feeds the averaged
    network in training mode: statistics of batch norm that were taken of other weights do not fit these.
    """

    step: torch.Tensor

    def __init__(self, network: nn.Module, decay: float = 0.999, own_buffers: bool = False) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay, self.own_buffers = decay, own_buffers
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights of `network`."""
        step = int(self.step)
        decay = min(self.decay, (1 + step) / (10 + step))
        ours = [parameter.detach() for parameter in self.network.parameters()]
        theirs = [parameter.detach() for parameter in network.parameters()]
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        if not self.own_buffers:
            for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
                mine.copy_(other)
        self.step += 1

    def forward(self, pictures: torch.Tensor, *more: Any) -> torch.Tensor:
        """What the network makes of (N, 3, H, W), and of what else it takes, by the averaged weights."""
        result: torch.Tensor = self.network(pictures, *more)
        return result

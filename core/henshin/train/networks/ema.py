"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class EMA(nn.Module):
    """Exponential moving average of the weights of `network`; it is called like the network itself.

    The decay warms up as min(decay, (1 + step) / (10 + step)), so that the random initial weights lose their
    influence. Buffers are copied. With `own_buffers` they are not: batch norm's statistics of the live weights do not
    fit the averaged ones, and the recipe computes them by running the averaged network in training mode.
    """

    step: torch.Tensor

    def __init__(self, network: nn.Module, decay: float = 0.999, own_buffers: bool = False) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay, self.own_buffers = decay, own_buffers
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights of `network`; called after every step."""
        step = int(self.step)
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged = [parameter.detach() for parameter in self.network.parameters()]
        current = [parameter.detach() for parameter in network.parameters()]
        torch._foreach_lerp_(averaged, current, 1 - decay)
        if not self.own_buffers:
            for buffer, source in zip(self.network.buffers(), network.buffers(), strict=True):
                buffer.copy_(source)
        self.step += 1

    def forward(self, pictures: torch.Tensor, *more: Any) -> torch.Tensor:
        """Return the output of the averaged network for (N, 3, H, W) and its further inputs."""
        result: torch.Tensor = self.network(pictures, *more)
        return result

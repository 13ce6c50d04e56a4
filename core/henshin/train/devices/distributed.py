"""Data-parallel training, one process for each device: the same networks, different batches, averaged gradients.

PyTorch's own wrapper (DistributedDataParallel) ties the averaging to one forward and one backward pass of a network.
Adversarial training does not follow that order: a generator is called several times before its one backward pass,
gradients pass through a frozen discriminator, a penalty differentiates twice, and methods besides `forward` are
called. So gradients are averaged when an optimiser steps, once for all of its parameters.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, distributed, nn


class GradientAveragingStrategy(DDPStrategy):
    """Fabric's data-parallel strategy with gradients averaged at the step of an optimiser."""

    def setup_environment(self) -> None:
        """Join the other processes, without Fabric's log lines."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """Broadcast the weights and buffers of the first process."""
        for tensor in [*module.parameters(), *module.buffers()]:
            distributed.broadcast(tensor.data, 0)
        return module

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        """Average the gradients, then step."""
        average_gradients([parameter for group in optimizer.param_groups for parameter in group["params"]])
        return super().optimizer_step(optimizer, **kwargs)


@torch.no_grad()
def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes; a gradient that no process has stays None.

    A gradient that only some processes have counts as zero in the others.
    """
    for group in _by_dtype(parameters):
        present = torch.tensor([float(parameter.grad is not None) for parameter in group], device=group[0].device)
        grads = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in group]
        flat = torch.cat([present.to(grads[0].dtype), *(grad.reshape(-1) for grad in grads)])
        distributed.all_reduce(flat)
        counts, sums = flat[: len(group)], flat[len(group) :]
        complete = all(parameter.grad is not None for parameter in group)
        anywhere = [1.0] * len(group) if complete else counts.tolist()  # tolist waits for the GPU
        means = _split_like(sums / distributed.get_world_size(), group)
        for parameter, exists, mean in zip(group, anywhere, means, strict=True):
            if exists and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if exists and parameter.grad is not None:
                parameter.grad.copy_(mean.view(parameter.shape))


def _by_dtype(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    for dtype in sorted({parameter.dtype for parameter in parameters}, key=str):
        yield [parameter for parameter in parameters if parameter.dtype == dtype]


def _split_like(flat: Tensor, parameters: list[nn.Parameter]) -> Iterator[Tensor]:
    """Yield consecutive parts of a flat tensor, each with as many elements as its parameter."""
    start = 0
    for parameter in parameters:
        yield flat[start : start + parameter.numel()]
        start += parameter.numel()


class ProcessGroup:
    """Communication between the processes of a run besides gradients; with one process every call is local.

    It goes through the CPU (gloo), so that no process waits for its GPU.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank, self.world_size = fabric.global_rank, fabric.world_size
        self._group: Any = distributed.new_group(backend="gloo") if self.world_size > 1 else None

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is true in any process."""
        if self._group is None:
            return flags
        merged = torch.tensor(flags, dtype=torch.uint8)
        distributed.all_reduce(merged, distributed.ReduceOp.MAX, self._group)
        return tuple(bool(flag) for flag in merged.tolist())

    def gather(self, value: Any) -> list[Any]:
        """Return the value of every process, in the order of their ranks."""
        if self._group is None:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value, self._group)
        return values

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        self.any(True)

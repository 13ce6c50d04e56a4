"""Several devices, a process each: the same networks everywhere, other pictures, and gradients that are averaged.

PyTorch's own wrapper (DistributedDataParallel) ties the averaging to one forward and one backward of each network.
A game of networks keeps no such order: a generator is called several times before its one backward, a discriminator
is held fixed while gradients pass through it, a penalty differentiates twice, and some parts are used by name. So
gradients are averaged when an optimiser steps, once for all of its parameters, whatever was done before.
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
    """Fabric's data-parallel strategy, with the gradients averaged when an optimiser steps."""

    def setup_environment(self) -> None:
        """Join the others; that they are there is nothing to be told."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """Give a network the weights that it has in the first process."""
        for tensor in [*module.parameters(), *module.buffers()]:
            distributed.broadcast(tensor.data, 0)
        return module

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        """Average the gradients, then step."""
        average_gradients([parameter for group in optimizer.param_groups for parameter in group["params"]])
        return super().optimizer_step(optimizer, **kwargs)


@torch.no_grad()
def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Make every gradient the mean over all processes; one that no process has stays away.

    A process that lacks a gradient which another has counts as zero: its pictures did not ask for that weight.
    """
    for group in _of_a_kind(parameters):
        present = torch.tensor([float(one.grad is not None) for one in group], device=group[0].device)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in group]
        flat = torch.cat([present.to(parts[0].dtype), *(part.reshape(-1) for part in parts)])
        distributed.all_reduce(flat)
        has, rest = flat[: len(group)], flat[len(group) :] / distributed.get_world_size()
        whole = all(one.grad is not None for one in group)
        anywhere = [1.0] * len(group) if whole else has.tolist()  # which waits for the GPU, so only if it must be known
        for parameter, wanted, mean in zip(group, anywhere, _cut(rest, group), strict=True):
            if wanted and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if wanted and parameter.grad is not None:
                parameter.grad.copy_(mean.view(parameter.shape))


def _cut(flat: Tensor, like: list[nn.Parameter]) -> Iterator[Tensor]:
    """One after the other the parts of a flat tensor that are as large as these."""
    start = 0
    for one in like:
        yield flat[start : start + one.numel()]
        start += one.numel()


def _of_a_kind(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    for dtype in sorted({one.dtype for one in parameters}, key=str):
        yield [one for one in parameters if one.dtype == dtype]


class ProcessGroup:
    """What the processes of a run tell each other besides gradients; a run in one process talks to nobody.

    It goes over the CPU, so that nobody waits for a GPU to finish what it was given.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self._group: Any = distributed.new_group(backend="gloo") if self.count > 1 else None

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is true in any process."""
        if self._group is None:
            return flags
        both = torch.tensor(flags, dtype=torch.uint8)
        distributed.all_reduce(both, distributed.ReduceOp.MAX, self._group)
        return tuple(bool(flag) for flag in both.tolist())

    def gather(self, thing: Any) -> list[Any]:
        """The thing of every process, in their order."""
        if self._group is None:
            return [thing]
        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, thing, self._group)
        return found

    def wait(self) -> None:
        """Go on when all are here."""
        self.any(True)

"""What is no translator: how samplers, their two parts and encoders are exported, and on what they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from henshin.api.generator import Generator
from henshin.errors import HenshinError
from henshin.text import with_article
from henshin.train.export.parity import ParityInput, noise_trials

if TYPE_CHECKING:
    from henshin.train.weights.trained_network import TrainedNetwork


class MappingWrapper(nn.Module):
    """A mapping before and after which stands nothing: z (N, D) float32 -> styles (N, L, D).

    `mean` is that of the mapping, if it has one: of the model it becomes a second output, the same for every input.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def mean(self) -> Tensor | None:
        """(D,) or (L, D)."""
        found: Tensor | None = getattr(self.network, "mean", None)
        return found

    def forward(self, latents: Tensor) -> Tensor:
        """See above."""
        styles: Tensor = self.network(latents)
        return styles


def part_of(generator: Generator[Any], network: nn.Module, part: str) -> nn.Module:
    """One of the parts of a generator, out of the whole network. Errors: HenshinError when it has no such part."""
    found = generator.parts(network)
    if part not in found:
        raise HenshinError(f"generator '{generator.name}' has no part '{part}'; it has {', '.join(map(repr, found))}")
    return found[part].eval()


@torch.inference_mode()
def latent_shape_of(generator: Generator[Any], network: nn.Module, part: str) -> tuple[int, ...]:
    """Shape of what a part takes, without the batch: noise (D,), or styles (L, D) as the mapping gives them.

    Of an encoder what it gives.

    Errors: HenshinError when the generator does not say of how many numbers its latents are, or its mapping gives no
    styles.
    """
    shape = generator.latent_shape
    if not shape:
        raise HenshinError(f"'{generator.name}' is {with_article(generator.kind)} and does not say its latent_shape")
    if part != "synthesis":
        return tuple(shape)
    styles = part_of(generator, network, "mapping")(torch.zeros(2, *shape))
    if styles.ndim != 3 or len(styles) != 2:
        raise HenshinError(
            f"'{generator.name}': its mapping turns two latents into {tuple(styles.shape)}, not (2, L, D)"
        )
    return tuple(styles.shape[1:])


def side_seen(source: TrainedNetwork) -> int:
    """Side of the square pictures that an encoder takes. Errors: HenshinError when nothing says it."""
    side = source.generator.maximum_size or source.preferred_size
    if side is None:
        raise HenshinError(f"'{source.generator.name}' is an encoder, and nothing says of which size its pictures are")
    return side


@torch.inference_mode()
def check_latents(wrapped: nn.Module, name: str, side: int, shape: tuple[int, ...] | None) -> None:
    """Compare what an encoder gives with what its generator says. Errors: HenshinError when these are two shapes."""
    given = tuple(wrapped(torch.zeros(2, side, side, 3, dtype=torch.uint8)).shape)
    if shape is None or len(shape) != 2 or given != (2, *shape):
        raise HenshinError(
            f"'{name}' turns two pictures into {given}, and its latent_shape is {shape}, not (L, D) of it"
        )


def trials_of(generator: Generator[Any], network: nn.Module, part: str) -> Iterator[ParityInput]:
    """What a part is checked on, one alone and three together: noise, and the styles that the mapping makes of it."""
    mapping = part_of(generator, network, "mapping") if part == "synthesis" else None
    for trial in noise_trials(tuple(generator.latent_shape or ())):
        if mapping is None:
            yield trial
            continue
        with torch.inference_mode():
            styles = mapping(torch.from_numpy(trial.batch))
        yield ParityInput(np.ascontiguousarray(styles.numpy()), f"the styles of {trial.words}")

"""Export of samplers, their parts and encoders: shapes of their latents, and inputs of their parity checks."""

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
    """A mapping as it is: z (N, D) float32 -> styles (N, L, D)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def mean(self) -> Tensor | None:
        """Mean style of the mapping, (D,) or (L, D), or None; it becomes a second, constant output of the model."""
        mean: Tensor | None = getattr(self.network, "mean", None)
        return mean

    def forward(self, latents: Tensor) -> Tensor:
        """Return the styles of latents."""
        styles: Tensor = self.network(latents)
        return styles


def part_of(generator: Generator[Any], network: nn.Module, part: str) -> nn.Module:
    """Return one part of a generator's network. Errors: HenshinError when it has no such part."""
    parts = generator.parts(network)
    if part not in parts:
        raise HenshinError(f"generator '{generator.name}' has no part '{part}'; it has {', '.join(map(repr, parts))}")
    return parts[part].eval()


@torch.inference_mode()
def latent_shape_of(generator: Generator[Any], network: nn.Module, part: str) -> tuple[int, ...]:
    """Return the shape of a part's input without the batch: noise (D,), or styles (L, D); for an encoder, its output.

    Errors: HenshinError when the generator has no latent_shape, or the output of its mapping is not styles.
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


def encoder_size(source: TrainedNetwork) -> int:
    """Return the side of an encoder's square pictures. Errors: HenshinError when it is unknown."""
    side = source.generator.maximum_size or source.preferred_size
    if side is None:
        raise HenshinError(f"'{source.generator.name}' is an encoder, and nothing says of which size its pictures are")
    return side


@torch.inference_mode()
def check_latents(wrapped: nn.Module, name: str, side: int, shape: tuple[int, ...] | None) -> None:
    """Check the shape of an encoder's output against its latent_shape. Errors: HenshinError when they differ."""
    output = tuple(wrapped(torch.zeros(2, side, side, 3, dtype=torch.uint8)).shape)
    if shape is None or len(shape) != 2 or output != (2, *shape):
        raise HenshinError(
            f"'{name}' turns two pictures into {output}, and its latent_shape is {shape}, not (L, D) of it"
        )


def latent_trials(generator: Generator[Any], network: nn.Module, part: str) -> Iterator[ParityInput]:
    """Yield the inputs of a part's parity check, one alone and three together: noise, or the styles mapped from it."""
    mapping = part_of(generator, network, "mapping") if part == "synthesis" else None
    for trial in noise_trials(tuple(generator.latent_shape or ())):
        if mapping is None:
            yield trial
            continue
        with torch.inference_mode():
            styles = mapping(torch.from_numpy(trial.batch))
        yield ParityInput(np.ascontiguousarray(styles.numpy()), f"the styles of {trial.words}")

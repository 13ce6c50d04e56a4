"""Tools of the recipes for style-based generators: style mixing, path length penalty, sample sheets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from henshin.errors import HenshinError
from henshin.train.loggers.image_grid import Row
from henshin.train.networks import fixed_noise


def lazy_regularisation(rate: float, beta: float, every: int) -> tuple[float, float]:
    """Return Adam's learning rate and second beta for a penalty in every `every`-th step (Karras et al. 2020).

    The penalty takes a separate optimiser step, which makes `every` + 1 steps in place of `every`.
    """
    share = every / (every + 1) if every else 1.0
    return rate * share, beta**share


def normal(rng: np.random.Generator, *shape: int) -> Tensor:
    """Return normal noise of a numpy generator, fp32 on the CPU."""
    return torch.from_numpy(rng.standard_normal(shape, np.float32))


def mix_styles(one: Tensor, other: Tensor, layers: int, probability: float, rng: np.random.Generator) -> Tensor:
    """Return w+ (N, layers, D) of two w (N, D): `one`, and with `probability` from a random layer on `other`.

    So neighbouring layers become independent of having the same style (style mixing: Karras et al. 2019).
    """
    count = len(one)
    crossing = np.where(rng.random(count) < probability, rng.integers(1, layers, count), layers)
    first = torch.arange(layers) < torch.from_numpy(crossing)[:, None]
    return torch.where(first[:, :, None].to(one.device), one[:, None], other[:, None])


class PathLength:
    """The path length penalty: the change of a picture with its style, compared with its mean (Karras et al. 2020).

    The mean is a moving average of rate `decay`.
    """

    def __init__(self, decay: float = 0.01) -> None:
        self.decay = decay
        self.mean = torch.zeros(())

    def __call__(self, pictures: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Return the mean square of length minus mean length, not weighted.

        pictures (N, 3, H, W), generated in fp32 from w (N, L, D) with gradient; normal noise of the pictures' shape.
        """
        noise = noise / math.sqrt(pictures.shape[2] * pictures.shape[3])
        (gradient,) = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        self.mean = torch.lerp(self.mean.to(lengths.device), lengths.detach().mean(), self.decay)
        return (lengths - self.mean).square().mean()

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of a checkpoint."""
        self.mean = state["mean"]


def style_based(network: nn.Module, name: str, size: int) -> list[int]:
    """Return the channels at 4, 8, ..., `size` pixels of a style-based generator.

    Errors: HenshinError if it has no `mapping` and `synthesis`, or makes pictures of another size.
    """
    blocks = getattr(getattr(network, "synthesis", None), "blocks", None)
    if blocks is None or not hasattr(network, "mapping"):
        raise HenshinError(f"generator '{name}' has no mapping and synthesis; 'stylegan2' has")
    side = 4 * 2 ** (len(blocks) - 1)
    if side != size:
        raise HenshinError(f"generator '{name}' draws {side} px and data.size is {size}")
    return [block.second.bias.numel() for block in blocks]


def final_blocks(synthesis: Any, count: int) -> list[nn.Parameter]:
    """Return the weights of the last blocks of a synthesis; if these are all, with the constant.

    Errors: HenshinError if it has fewer.
    """
    blocks = list(synthesis.blocks)
    if count > len(blocks):
        raise HenshinError(f"blocks: {count} is too many; this generator has {len(blocks)}")
    if count == len(blocks):
        return list(synthesis.parameters())
    return [parameter for block in blocks[len(blocks) - count :] for parameter in block.parameters()]


class SampleSheets:
    """The sample sheets of a style-based generator, always of the same noise.

    `network` is the averaged one, with `mapping` and `synthesis`.
    """

    def __init__(self, network: Any, seed: int, columns: int = 8, rows: int = 4, truncation: float = 0.7) -> None:
        self.network, self.columns, self.rows, self.truncation = network, columns, rows, truncation
        (self.latent,) = network.latent_shape
        self.seed = seed

    @torch.no_grad()
    def draw(self, sheet: Callable[..., None], name: str, device: torch.device) -> None:
        """Write three sheets by `sheet(name, rows)`: samples and truncated ones, interpolations, style mixing."""
        z = fixed_noise(self.columns * self.rows, self.latent, self.seed).to(device)
        w = self.network.mapping(z)
        truncated_w = self.network.mapping.truncated(w, self.truncation)
        plain, truncated = (
            list(torch.split(self._generated(self._broad(one)), self.columns)) for one in (w, truncated_w)
        )
        names = [f"{share:g}" for share, rows in ((1, plain), (self.truncation, truncated)) for _ in rows]
        sheet(name, plain + truncated, names=names)
        sheet(f"{name}-between", self._between(truncated_w))
        sheet(f"{name}-mixing", self._mixing(truncated_w))

    def _between(self, w: Tensor) -> list[Row]:
        """Return rows of interpolations between two styles."""
        t = torch.linspace(0, 1, self.columns, device=w.device)[:, None]
        ends = [(w[2 * i], w[2 * i + 1]) for i in range(self.rows)]
        return [self._generated(self._broad(torch.lerp(one, other, t))) for one, other in ends]

    def _mixing(self, w: Tensor) -> list[Row]:
        """Return a table of mixed styles: layers up to 16 px of the row's first picture, the others of the column's."""
        top, left = w[: self.columns - 1], w[self.columns : self.columns + self.rows]
        layers = self.network.synthesis.latent_shape[0]
        coarse = (torch.arange(layers, device=w.device) < min(6, layers // 2))[None, :, None]
        blank = torch.ones(1, 3, *[self.network.synthesis.size] * 2)
        generated = self._generated(self._broad(top))
        table: list[Row] = [torch.cat([blank.to(generated), generated])]
        for one in left:
            styles = torch.where(coarse, one, self._broad(top))
            table.append(self._generated(torch.cat([self._broad(one[None]), styles])))
        return table

    def _broad(self, w: Tensor) -> Tensor:
        wide: Tensor = self.network.broad(w)
        return wide

    def _generated(self, w: Tensor) -> Tensor:
        """Return pictures of w+, computed row by row to save memory."""
        return torch.cat([self.network.synthesis(part) for part in torch.split(w, self.columns)])

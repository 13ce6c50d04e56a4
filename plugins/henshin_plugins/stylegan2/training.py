"""What recipes of style-based generators share: styles mixed, a penalty on the path length, sheets to look at."""

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


def lazily(rate: float, beta: float, every: int) -> tuple[float, float]:
    """Adam's learning rate and second beta where a penalty is computed only every so many steps (Karras et al. 2020).

    Its steps are taken beside the others, which makes `every` + 1 of them in place of `every`.
    """
    share = every / (every + 1) if every else 1.0
    return rate * share, beta**share


def normal(rng: np.random.Generator, *shape: int) -> Tensor:
    """Noise of the run's own generator, fp32 on the CPU."""
    return torch.from_numpy(rng.standard_normal(shape, np.float32))


def mixed(one: Tensor, other: Tensor, layers: int, probability: float, rng: np.random.Generator) -> Tensor:
    """Two w (N, D) each -> w+ (N, layers, D): the first `one`, and with `probability` from some layer on the other.

    The generator cannot count on neighbouring layers having the same style (style mixing: Karras et al. 2019).
    """
    count = len(one)
    crossing = np.where(rng.random(count) < probability, rng.integers(1, layers, count), layers)
    first = torch.arange(layers) < torch.from_numpy(crossing)[:, None]
    return torch.where(first[:, :, None].to(one.device), one[:, None], other[:, None])


class PathLength:
    """How far a picture moves when its style does, and what it costs to differ from the mean (Karras et al. 2020).

    The mean follows the lengths by `decay` of the way each time.
    """

    def __init__(self, decay: float = 0.01) -> None:
        self.decay = decay
        self.mean = torch.zeros(())

    def __call__(self, pictures: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Mean square of length minus mean length; the weight is left to the caller.

        pictures (N, 3, H, W), drawn in fp32 of w (N, L, D), which needs a gradient; noise as the pictures, from a
        normal distribution.
        """
        noise = noise / math.sqrt(pictures.shape[2] * pictures.shape[3])
        (slope,) = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        self.mean = torch.lerp(self.mean.to(lengths.device), lengths.detach().mean(), self.decay)
        return (lengths - self.mean).square().mean()

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.mean = state["mean"]


def style_based(network: nn.Module, called: str, size: int) -> list[int]:
    """Channels at 4, 8, ..., `size` pixels of a style-based generator.

    Errors: HenshinError when it has no `mapping` and `synthesis`, or draws pictures of another size.
    """
    blocks = getattr(getattr(network, "synthesis", None), "blocks", None)
    if blocks is None or not hasattr(network, "mapping"):
        raise HenshinError(f"generator '{called}' has no mapping and synthesis; 'stylegan2' has")
    drawn = 4 * 2 ** (len(blocks) - 1)
    if drawn != size:
        raise HenshinError(f"generator '{called}' draws {drawn} px and data.size is {size}")
    return [block.second.bias.numel() for block in blocks]


def final_blocks(synthesis: Any, count: int) -> list[nn.Parameter]:
    """The weights of the last blocks of a synthesis; of all of them with the constant that they begin at.

    Errors: HenshinError when it has fewer.
    """
    blocks = list(synthesis.blocks)
    if count > len(blocks):
        raise HenshinError(f"blocks: {count} is too many; this generator has {len(blocks)}")
    if count == len(blocks):
        return list(synthesis.parameters())
    return [parameter for block in blocks[len(blocks) - count :] for parameter in block.parameters()]


class Shown:
    """The sheets of a style-based generator: every time of the same noise.

    `network` is the averaged one: called with noise and a truncation, with `mapping`, `synthesis`.
    """

    def __init__(self, network: Any, seed: int, columns: int = 8, rows: int = 4, truncation: float = 0.7) -> None:
        self.network, self.columns, self.rows, self.truncation = network, columns, rows, truncation
        (self.latent,) = network.latent_shape
        self.seed = seed

    @torch.no_grad()
    def draw(self, sheet: Callable[..., None], name: str, device: torch.device) -> None:
        """Write three sheets by `sheet(name, rows)`: samples and truncated ones, strips from one to another, mixing."""
        z = fixed_noise(self.columns * self.rows, self.latent, self.seed).to(device)
        w = self.network.mapping(z)
        short = self.network.mapping.truncated(w, self.truncation)
        plain, truncated = (list(torch.split(self._drawn(self._broad(one)), self.columns)) for one in (w, short))
        told = [f"{share:g}" for share, rows in ((1, plain), (self.truncation, truncated)) for _ in rows]
        sheet(name, plain + truncated, names=told)
        sheet(f"{name}-between", self._between(short))
        sheet(f"{name}-mixing", self._mixing(short))

    def _between(self, w: Tensor) -> list[Row]:
        """Strips from one style to another, in even steps."""
        t = torch.linspace(0, 1, self.columns, device=w.device)[:, None]
        ends = [(w[2 * i], w[2 * i + 1]) for i in range(self.rows)]
        return [self._drawn(self._broad(torch.lerp(one, other, t))) for one, other in ends]

    def _mixing(self, w: Tensor) -> list[Row]:
        """A table: each row's first picture lends the layers up to 16 px, each column's first one the others."""
        across, down = w[: self.columns - 1], w[self.columns : self.columns + self.rows]
        layers = self.network.synthesis.latent_shape[0]
        coarse = (torch.arange(layers, device=w.device) < min(6, layers // 2))[None, :, None]
        blank = torch.ones(1, 3, *[self.network.synthesis.size] * 2)
        drawn = self._drawn(self._broad(across))
        table: list[Row] = [torch.cat([blank.to(drawn), drawn])]
        for one in down:
            styles = torch.where(coarse, one, self._broad(across))
            table.append(self._drawn(torch.cat([self._broad(one[None]), styles])))
        return table

    def _broad(self, w: Tensor) -> Tensor:
        wide: Tensor = self.network.broad(w)
        return wide

    def _drawn(self, w: Tensor) -> Tensor:
        """Pictures of w+, a row at a time, so that memory stays that of a small batch."""
        return torch.cat([self.network.synthesis(part) for part in torch.split(w, self.columns)])

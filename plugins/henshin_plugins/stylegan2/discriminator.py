"""The discriminator of StyleGAN2 (Karras et al. 2020): residual blocks and minibatch standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from henshin.errors import HenshinError
from henshin.train.networks.stylegan2_layers import Blur, EqualConv, EqualLinear

GROUP = 4
"""Pictures in a group of the minibatch standard deviation."""


class DiscriminatorBlock(nn.Module):
    """Two convolutions, the second with stride 2, and a 1x1 skip with stride 2; their sum over sqrt 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = EqualConv(before, before, 3, padding=1, active=True)
        self.blur = Blur(2, 2)
        self.second = EqualConv(before, after, 3, stride=2, active=True)
        self.blur_skip = Blur(1, 1)
        self.skip = EqualConv(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, H, W) -> (N, after, H / 2, W / 2)."""
        # subsampled afterwards: a filter with a stride takes ten times as long in bf16 on CPUs
        skipped = self.skip(self.blur_skip(x)[:, :, ::2, ::2])
        halved: Tensor = (self.second(self.blur(self.first(x))) + skipped) * 0.5**0.5
        return halved


class StyleGan2Discriminator(nn.Module):
    """1x1 from RGB, a block for each halving down to 4x4, minibatch standard deviation, 3x3, two linear layers.

    `channels` are those at 4, 8, ..., size pixels, as in the generator.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.from_rgb = EqualConv(3, channels[-1], 1, active=True)
        self.blocks = nn.ModuleList(DiscriminatorBlock(before, after) for before, after in pairwise(reversed(channels)))
        last = channels[0]
        self.final = EqualConv(last + 1, last, 3, padding=1, active=True)
        self.dense = EqualLinear(last * 4 * 4, last, active=True)
        self.score = EqualLinear(last, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, size, size) in [-1, 1] -> one logit each, (N, 1)."""
        x = self.from_rgb(pictures)
        for block in self.blocks:
            x = block(x)
        x = self.final(minibatch_stddev(x))
        scores: Tensor = self.score(self.dense(x.flatten(1)))
        return scores


def first_blocks(discriminator: StyleGan2Discriminator, count: int) -> list[nn.Parameter]:
    """Return the weights of a discriminator's first blocks and of `from_rgb`; none for 0.

    Errors: HenshinError if it has fewer blocks.
    """
    if count > len(discriminator.blocks):
        raise HenshinError(
            f"discriminator_frozen: {count} is too many; this discriminator has {len(discriminator.blocks)} blocks"
        )
    if count == 0:
        return []
    return [*discriminator.from_rgb.parameters(), *discriminator.blocks[:count].parameters()]


def minibatch_stddev(x: Tensor, group: int = GROUP) -> Tensor:
    """Append the standard deviation of each picture's group, (N, C, H, W) -> (N, C + 1, H, W) (Karras et al. 2018).

    Every (N // `group`)-th picture is in one group: `group` members, some more if N is no multiple of it, the whole
    batch if it is smaller.
    """
    groups = max(1, x.shape[0] // group)
    spreads = [
        (members.float().var(0, unbiased=False) + 1e-8).sqrt().mean()
        for members in (x[first::groups] for first in range(groups))
    ]
    of_each = torch.arange(x.shape[0], device=x.device) % groups
    spread = torch.stack(spreads)[of_each].to(x.dtype)[:, None, None, None]
    return torch.cat([x, spread.expand(-1, 1, *x.shape[2:])], 1)

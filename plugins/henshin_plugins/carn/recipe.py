"""Super-resolution, from top to bottom (CARN: Ahn et al., ECCV 2018; MDSR: Lim et al., CVPRW 2017).

Patches of pictures are reduced by a bicubic filter; the network enlarges them, and L1 compares the result with the
patches. Each step trains one random scale of the network, so that the shared layers learn from all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from henshin.train.losses import pixel_loss
from henshin.train.networks import EMA
from henshin.train.optim import set_learning_rate
from henshin.train.super_resolution.patches import open_patches
from henshin.train.super_resolution.validation import ValidationSet, scales_of
from henshin.train.weights import load_initial_weights

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.carn.config import SuperResolutionRecipeConfig


def train(config: SuperResolutionRecipeConfig, run: Run) -> None:
    """Train one network to enlarge by each of its scales."""
    c = config
    scales = scales_of(run.registry, c.generator)
    patches = open_patches(run, c.data, tuple(scales))

    network = run.generator(c.generator)
    if c.start is not None:
        load_initial_weights(run.place(c.start), c.generator, run.registry).load_into(network)
    network = network.to(memory_format=torch.channels_last)  # a third faster, on CPUs too
    ema = EMA(network, c.ema).to(run.device)
    steps = torch.optim.Adam(network.parameters(), c.learning_rate)
    generator = run.prepare(network)
    steps = run.prepare(steps)

    run.publish(c.generator, state="ema", prefix="network.", size=c.data.patch)
    run.until(c.steps)
    run.track(generator=generator, ema=ema, steps=steps)
    validation = ValidationSet(patches, scales)
    while run.step():
        set_learning_rate(c.rate(run.steps), steps)
        small, large, scale = patches.draw(c.batch, run.rng, c.degradation)
        enlarged = generator(small, *scales[scale])

        loss = (
            pixel_loss(enlarged, large) / 2
        )  # as if of values in [0, 1], as the authors compute it and clip its gradient
        steps.zero_grad()
        run.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), c.clip)
        steps.step()
        ema.update(network)

        values: dict[str, Tensor | float] = {"l1": loss, f"l1_x{scale}": loss}
        if run.every(c.sheet_every):
            values |= validation.measure(ema)
            run.sheet(f"{run.steps:07d}", *validation.sheet(ema))
        run.log(run.steps, **values)

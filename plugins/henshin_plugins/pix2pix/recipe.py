"""pix2pix, from top to bottom (Isola et al., CVPR 2017).

One generator learns from pairs. The L1 loss to the target determines the large shapes, and blurs; a discriminator of
the source together with the target or the translation adds the details.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from henshin.train.data import PairedImageSet, open_pairs, to_float
from henshin.train.losses import discriminator_loss, generator_loss, pixel_loss
from henshin.train.networks import EMA, make_discriminator, mean_score, set_requires_grad
from henshin.train.optim import set_learning_rate

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.pix2pix.config import Pix2PixConfig

SHOWN = 6
"""Pairs on a sample sheet."""


def train(config: Pix2PixConfig, run: Run) -> None:
    """Train one generator from the first picture of each pair to the second."""
    c = config
    pairs = open_pairs(run, c.data)
    epoch = c.epoch(len(pairs))

    network = run.generator(c.generator)
    ema = EMA(network, c.ema).to(run.device)
    discriminator = make_discriminator(
        c.discriminator, c.discriminator_width, c.discriminator_layers, c.discriminator_norm, channels=6
    )
    betas = (c.betas[0], c.betas[1])
    generator_optimizer = torch.optim.Adam(network.parameters(), c.learning_rate, betas)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), c.learning_rate, betas)
    generator, discriminator = run.prepare(network, discriminator)
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)

    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pairs)), epoch)
    run.track(
        generator=generator,
        ema=ema,
        discriminator=discriminator,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    while run.step():
        set_learning_rate(c.rate(run.steps, len(pairs)), generator_optimizer, discriminator_optimizer)
        source, target = pairs.draw(c.batch, run.rng)
        translated = generator(source)

        set_requires_grad(discriminator, True)
        real, fake = torch.cat([source, target], 1), torch.cat([source, translated], 1)
        score_real, score_fake = discriminator(torch.cat([real, fake.detach()])).chunk(2)
        d_loss = discriminator_loss(c.gan, [score_real], [score_fake])
        discriminator_optimizer.zero_grad()
        run.backward(d_loss)
        discriminator_optimizer.step()

        set_requires_grad(discriminator, False)
        adversarial = generator_loss(c.gan, [discriminator(fake)])
        pixel = pixel_loss(translated, target)
        total = adversarial + c.pixel_weight * pixel
        generator_optimizer.zero_grad()
        run.backward(total)
        generator_optimizer.step()
        ema.update(network)

        run.log(
            run.steps,
            adversarial=adversarial,
            pixel=pixel,
            total=total,
            discriminator=d_loss,
            real_score=mean_score(c.gan, [score_real]),
            fake_score=mean_score(c.gan, [score_fake]),
        )
        if run.every(c.sheet_every or epoch):
            run.sheet(f"{run.steps:07d}", beside_targets(pairs, ema), names=("source", "drawn", "target"))


@torch.no_grad()
def beside_targets(pairs: PairedImageSet, network: nn.Module) -> list[Tensor]:
    """Return the rows of a sample sheet: sources, translations and targets, of held-out pairs if there are any."""
    source, target = (
        to_float(pictures[:SHOWN]) for pictures in (pairs.held_out if len(pairs.held_out[0]) else pairs.training)
    )
    return [source, network(source), target]

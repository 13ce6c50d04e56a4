"""DCGAN, from top to bottom (Radford et al., ICLR 2016).

A generator makes pictures from noise, and a discriminator learns to tell them from real ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError
from henshin.runtime.latents import numbered_noise, spherical
from henshin.train.data import augment, open_pictures
from henshin.train.networks import EMA, fixed_noise, set_requires_grad
from henshin.train.optim import set_learning_rate
from henshin_plugins.dcgan.network import DcganDiscriminator

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.dcgan.config import DcganConfig

STATISTICS_EVERY = 4
"""Steps between two updates of the averaged network's batch norm: as good as at each step, and cheaper."""


def train(config: DcganConfig, run: Run) -> None:
    """Train one sampler and one discriminator; the averaged sampler is published."""
    c = config
    network = run.generator(c.generator)
    latent = latents_of(network, c)
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    run.say(f"{len(pictures)} pictures, {c.data.size} px; an epoch is {epoch} steps")

    ema = EMA(network, c.ema, own_buffers=True).to(run.device)
    discriminator = DcganDiscriminator(
        c.data.size,
        c.discriminator_width,
        c.discriminator_norm,
        c.discriminator_extra,
        probability=c.discriminator_output == "probability",
    )
    generator_optimizer = torch.optim.Adam(network.parameters(), c.learning_rate, (0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), c.learning_rate, (0.5, 0.999))
    generator, discriminator = run.prepare(network, discriminator)
    discriminator.mark_forward_method("logits")
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)
    samples, interpolated = (
        noise.to(run.device) for noise in (fixed_noise(64, latent, c.seed), strips(latent, c.seed))
    )

    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(
        generator=generator,
        ema=ema,
        discriminator=discriminator,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    while run.step():
        rate = c.rate(run.steps, len(pictures))
        set_learning_rate(rate, generator_optimizer)
        set_learning_rate(rate * c.discriminator_rate, discriminator_optimizer)
        real = pictures.draw(c.batch, run.rng)
        noise = torch.from_numpy(run.rng.standard_normal((c.batch, latent), np.float32)).to(run.device)
        fake = generator(noise)

        # real and generated pictures in separate batches, so that batch norm carries nothing from one to the other
        set_requires_grad(discriminator, True)
        real_logits = discriminator.logits(augment(real, c.augment))
        fake_logits = discriminator.logits(augment(fake.detach(), c.augment))
        d_loss = cross_entropy(real_logits, 1 - c.smoothing) + cross_entropy(fake_logits, 0)
        discriminator_optimizer.zero_grad()
        run.backward(d_loss)
        discriminator_optimizer.step()

        set_requires_grad(discriminator, False)
        adversarial = cross_entropy(discriminator.logits(augment(fake, c.augment)), 1)
        generator_optimizer.zero_grad()
        run.backward(adversarial)
        generator_optimizer.step()
        ema.update(network)
        if run.steps % STATISTICS_EVERY == 0:
            renew_statistics(ema.network, noise)

        run.log(
            run.steps,
            discriminator=d_loss,
            adversarial=adversarial,
            real_score=real_logits.detach().float().sigmoid().mean(),
            fake_score=fake_logits.detach().float().sigmoid().mean(),
        )
        if run.every(c.sheet_every or epoch):
            with torch.no_grad():
                numbers = [f"{first}-{first + 7}" for first in range(0, len(samples), 8)]
                run.sheet(f"{run.steps:07d}", list(ema(samples).split(8)), names=numbers)
                ends = [f"{2 * row} to {2 * row + 1}" for row in range(len(interpolated) // 10)]
                run.sheet(f"{run.steps:07d}-between", list(ema(interpolated).split(10)), names=ends)


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Return the binary cross-entropy of the sigmoid of `logits` with a constant `target`."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def latents_of(network: nn.Module, c: DcganConfig) -> int:
    """Return the length of a network's noise. Errors: HenshinError for no sampler, or one of another size."""
    shape = getattr(network, "latent_shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 1):
        raise HenshinError(f"generator '{c.generator.use}' draws nothing from noise; 'dcgan' does")
    with torch.no_grad():
        side = network.eval()(torch.zeros(2, *shape)).shape[-1]
    network.train()
    if side != c.data.size:
        raise HenshinError(f"generator '{c.generator.use}' draws {side} px and data.size is {c.data.size}")
    return int(shape[0])


@torch.no_grad()
def renew_statistics(network: nn.Module, noise: Tensor) -> None:
    """Update the batch norm statistics of a network in eval mode: averaged weights need statistics of their own."""
    network.train()
    network(noise)
    network.eval()


def strips(latent: int, seed: int, rows: int = 6, columns: int = 10) -> Tensor:
    """Return (rows * columns, latent): each row interpolates between two noises along the sphere (White 2016)."""
    ends = numbered_noise(seed, range(2 * rows), latent)
    return torch.from_numpy(np.concatenate([spherical(ends[2 * i], ends[2 * i + 1], columns) for i in range(rows)]))

"""CycleGAN, from top to bottom (Zhu et al., ICCV 2017).

Two generators, a to b and b to a, and a discriminator for each domain. By the cycle loss a picture that is translated
there and back must be reproduced; by the identity loss a picture of the target domain must stay as it is.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from henshin.train.data import ImagePool, ImageSet, augment, open_domains, to_float
from henshin.train.losses import (
    cycle_loss,
    identity_loss,
    landmark_loss,
    landmark_network,
)
from henshin.train.networks import (
    EMA,
    discriminator_losses,
    generator_losses,
    make_discriminator,
    make_discriminators,
    mean_scores,
    set_requires_grad,
    total_loss,
    values_by_name,
)
from henshin.train.optim import set_learning_rate

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.cyclegan.config import CycleGanConfig

SHOWN = 4
"""Pictures of each domain on a sample sheet."""
BOTH_WAYS = ("photo", "drawing", "back", "drawing", "photo", "back")
"""Names of the rows of a sample sheet."""


def train(config: CycleGanConfig, run: Run) -> None:
    """Train the generators of both directions; a -> b is the one that is published."""
    c = config
    domain_a, domain_b = open_domains(run, c.data)
    pictures = max(len(domain_a), len(domain_b))
    epoch = c.epoch(pictures)

    network_ab, network_ba = run.generator(c.generator), run.generator(c.generator)
    ema = EMA(network_ab, c.ema).to(run.device)
    kinds = {
        kind: partial(make_discriminator, kind, c.discriminator_width, c.discriminator_layers, c.discriminator_norm)
        for kind in ("patch", "plain")
    }
    discriminator_a, discriminator_b = (
        make_discriminators(c.discriminators, kinds, (domain_a, domain_b)) for _ in "ab"
    )
    together = not mixes(network_ab)
    both, betas = chain(network_ab.parameters(), network_ba.parameters()), (c.betas[0], c.betas[1])
    generator_optimizer = torch.optim.Adam(both, c.learning_rate, betas)
    discriminator_a_optimizer = torch.optim.Adam(discriminator_a.parameters(), c.learning_rate, betas)
    discriminator_b_optimizer = torch.optim.Adam(discriminator_b.parameters(), c.learning_rate, betas)
    a_to_b, b_to_a, discriminator_a, discriminator_b = run.prepare(
        network_ab, network_ba, discriminator_a, discriminator_b
    )
    generator_optimizer, discriminator_a_optimizer, discriminator_b_optimizer = run.prepare(
        generator_optimizer, discriminator_a_optimizer, discriminator_b_optimizer
    )
    pool_a, pool_b = ImagePool(c.pool, run.rng), ImagePool(c.pool, run.rng)
    landmarks = landmark_network().to(run.device) if c.landmark_weight else None

    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    if c.pretrain:
        run.say(f"{c.pretrain} steps of the discriminators alone, then {c.length(pictures)} of the game")
    run.until(c.pretrain + c.length(pictures), epoch)
    run.track(
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        ema=ema,
        discriminator_a=discriminator_a,
        discriminator_b=discriminator_b,
        generator_optimizer=generator_optimizer,
        discriminator_a_optimizer=discriminator_a_optimizer,
        discriminator_b_optimizer=discriminator_b_optimizer,
        pool_a=pool_a,
        pool_b=pool_b,
    )
    while run.step():
        adversarial = run.steps >= c.pretrain
        rate = c.rate(max(run.steps - c.pretrain, 0), pictures)
        set_learning_rate(rate, generator_optimizer)
        set_learning_rate(rate * c.discriminator_rate, discriminator_a_optimizer, discriminator_b_optimizer)
        real_a, real_b = domain_a.draw(c.batch, run.rng), domain_b.draw(c.batch, run.rng)
        losses: dict[str, Tensor] = {}

        if adversarial:
            set_requires_grad(discriminator_a, False)
            set_requires_grad(discriminator_b, False)
            ask_same = any(c.identity_weights)
            fake_b, same_b = translated(a_to_b, real_a, real_b if ask_same else None, together)
            fake_a, same_a = translated(b_to_a, real_b, real_a if ask_same else None, together)
            for name, discriminator, fake in (
                ("adversarial_ab", discriminator_b, fake_b),
                ("adversarial_ba", discriminator_a, fake_a),
            ):
                g_losses = generator_losses(c.gan, discriminator(augment(fake, c.augment)))
                losses |= {name: total_loss(g_losses), **values_by_name(name, g_losses)}
            losses["adversarial"] = losses["adversarial_ab"] + losses["adversarial_ba"]
            cycle_a, cycle_b = cycle_loss(real_a, b_to_a(fake_b)), cycle_loss(real_b, a_to_b(fake_a))
            losses["cycle"] = cycle_a + cycle_b
            total = losses["adversarial"] + c.cycle_weights[0] * cycle_a + c.cycle_weights[1] * cycle_b
            if same_a is not None and same_b is not None:
                identity_a, identity_b = identity_loss(real_a, same_a), identity_loss(real_b, same_b)
                losses["identity"] = identity_a + identity_b
                total = total + c.identity_weights[0] * identity_a + c.identity_weights[1] * identity_b
            if landmarks is not None:
                losses["landmarks"] = landmark_loss(landmarks, real_a, fake_b)
                total = total + c.landmark_weight * losses["landmarks"]
            losses["total"] = total
            generator_optimizer.zero_grad()
            run.backward(total)
            generator_optimizer.step()
            ema.update(network_ab)
        else:
            with torch.no_grad():
                fake_b, fake_a = a_to_b(real_a), b_to_a(real_b)

        scores = []
        for name, discriminator, steps, real, fake, pool in (
            ("discriminator_a", discriminator_a, discriminator_a_optimizer, real_a, fake_a, pool_a),
            ("discriminator_b", discriminator_b, discriminator_b_optimizer, real_b, fake_b, pool_b),
        ):
            set_requires_grad(discriminator, True)
            fakes = pool(fake) if adversarial else fake
            scores.append(discriminator(augment(torch.cat([real, fakes]), c.augment), 2))
            d_losses = discriminator_losses(c.gan, scores[-1])
            losses |= {name: total_loss(d_losses), **values_by_name(name, d_losses)}
            steps.zero_grad()
            run.backward(losses[name])
            steps.step()

        run.log(run.steps, **losses, **mean_scores(c.gan, *scores))
        if (adversarial or run.steps == 0) and run.every(c.sheet_every or epoch):
            run.sheet(f"{run.steps:07d}", both_ways(domain_a, domain_b, ema.network, network_ba), names=BOTH_WAYS)


def mixes(network: nn.Module) -> bool:
    """Return whether a network has batch norm: then pictures of two domains must not share a batch."""
    return any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def translated(
    generator: nn.Module, pictures: Tensor, same: Tensor | None, together: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the outputs for pictures and for `same`, which are of the target domain; in one pass if `together`."""
    if same is None:
        return generator(pictures), None
    if not together:
        return generator(pictures), generator(same)
    generated, unchanged = generator(torch.cat([pictures, same])).chunk(2)
    return generated, unchanged


@torch.no_grad()
def both_ways(domain_a: ImageSet, domain_b: ImageSet, a_to_b: nn.Module, b_to_a: nn.Module) -> list[Tensor]:
    """Return the rows `BOTH_WAYS` of a sample sheet: photos there and back, and drawings there and back."""
    a, b = (
        to_float(domain.held_out[:SHOWN] if len(domain.held_out) else domain.training[:SHOWN])
        for domain in (domain_a, domain_b)
    )
    learning = b_to_a.training
    b_to_a.eval()
    there_a, there_b = a_to_b(a), b_to_a(b)
    rows = [a, there_a, b_to_a(there_a), b, there_b, a_to_b(there_b)]
    b_to_a.train(learning)
    return rows

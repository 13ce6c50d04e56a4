"""U-GAT-IT, from top to bottom (Kim et al., ICLR 2020).

CycleGAN with attention: that of the generators marks where the domains differ, that of the discriminators where
translations differ from real pictures. AdaLIN mixes instance and layer norm in each layer.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from henshin.errors import HenshinError
from henshin.train.data import augment, open_domains, to_float
from henshin.train.losses import cycle_loss, identity_loss
from henshin.train.networks import (
    EMA,
    discriminator_losses,
    generator_losses,
    join_parts,
    make_discriminators,
    set_requires_grad,
    total_loss,
    values_by_name,
)
from henshin.train.optim import set_learning_rate
from henshin_plugins.ugatit.network import Discriminators

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.ugatit.config import UGatItRecipeConfig


def attention_loss(source: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy of a generator's attention logits: target 1 for `source`, 0 for `target`."""
    of_source = F.binary_cross_entropy_with_logits(source, torch.ones_like(source))
    return of_source + F.binary_cross_entropy_with_logits(target, torch.zeros_like(target))


def shown_attention(attention_map: Tensor, like: Tensor) -> Tensor:
    """Return attention maps (N, 1, h, w) as gray pictures in the size of `like`: bright is high attention."""
    low, high = attention_map.amin((2, 3), keepdim=True), attention_map.amax((2, 3), keepdim=True)
    gray = (attention_map - low) / (high - low).clamp(min=1e-6) * 2 - 1
    return F.interpolate(gray.float(), like.shape[2:], mode="bilinear", align_corners=False).expand_as(like)


def train(config: UGatItRecipeConfig, run: Run) -> None:
    """Train the generators of both directions; a -> b is the one that is published."""
    c = config
    domain_a, domain_b = open_domains(run, c.data)
    network_ab: Any = run.generator(c.generator)
    network_ba: Any = run.generator(c.generator)
    if not hasattr(network_ab, "attend"):
        raise HenshinError(f"generator '{c.generator.use}' lacks attend(); 'ugatit' has it")
    ema = EMA(network_ab, c.ema).to(run.device)
    averaged: Any = ema.network
    patch = partial(Discriminators, c.discriminator_width, c.discriminator_layers)
    discriminators_a, discriminators_b = (
        make_discriminators(c.discriminators, {"patch": patch}, (domain_a, domain_b)) for _ in "ab"
    )
    # scores and attention logits of the paper's discriminators: the paper adds up their losses
    shares = {"patch": 2 * len(c.discriminator_layers), "projected": 1}
    generators = chain(network_ab.parameters(), network_ba.parameters())
    discriminators = chain(discriminators_a.parameters(), discriminators_b.parameters())
    adam: dict[str, Any] = {"lr": c.learning_rate, "betas": (0.5, 0.999), "weight_decay": c.weight_decay}
    generator_optimizer, discriminator_optimizer = (
        torch.optim.Adam(generators, **adam),
        torch.optim.Adam(discriminators, **adam),
    )
    a_to_b, b_to_a, discriminators_a, discriminators_b = run.prepare(
        network_ab, network_ba, discriminators_a, discriminators_b
    )
    for generator in (a_to_b, b_to_a):
        generator.mark_forward_method("attend")
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)

    pictures = len(domain_a)
    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(pictures), c.epoch(pictures))
    run.track(
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        ema=ema,
        discriminators_a=discriminators_a,
        discriminators_b=discriminators_b,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    while run.step():
        set_learning_rate(c.rate(run.steps, pictures), generator_optimizer, discriminator_optimizer)
        real_a, real_b = domain_a.draw(c.batch, run.rng), domain_b.draw(c.batch, run.rng)

        set_requires_grad(discriminators_a, False)
        set_requires_grad(discriminators_b, False)
        fake_b, logits_a, _ = a_to_b.attend(real_a)
        fake_a, logits_b, _ = b_to_a.attend(real_b)
        same_b, same_logits_a, _ = a_to_b.attend(real_b)
        same_a, same_logits_b, _ = b_to_a.attend(real_a)
        g_losses_b, g_losses_a = (
            generator_losses("lsgan", discriminator(augment(fake, c.augment)))
            for discriminator, fake in ((discriminators_b, fake_b), (discriminators_a, fake_a))
        )
        g_losses = {name: (g_losses_b[name] + g_losses_a[name]) * shares[name] for name in g_losses_b}
        adversarial = total_loss(g_losses)
        cycle = cycle_loss(real_a, b_to_a(fake_b)) + cycle_loss(real_b, a_to_b(fake_a))
        identity = identity_loss(real_b, same_b) + identity_loss(real_a, same_a)
        attention = attention_loss(logits_a, same_logits_a) + attention_loss(logits_b, same_logits_b)
        total = adversarial + c.cycle_weight * cycle + c.identity_weight * identity + c.attention_weight * attention
        generator_optimizer.zero_grad()
        run.backward(total)
        generator_optimizer.step()
        network_ab.clip()
        network_ba.clip()
        ema.update(network_ab)

        set_requires_grad(discriminators_a, True)
        set_requires_grad(discriminators_b, True)
        d_losses: dict[str, Tensor] = {}
        for name, discriminator, real, fake in (
            ("discriminator_a", discriminators_a, real_a, fake_a),
            ("discriminator_b", discriminators_b, real_b, fake_b),
        ):
            scores = join_parts(*(discriminator(augment(one, c.augment)) for one in (real, fake.detach())))
            losses = discriminator_losses("lsgan", scores)
            losses = {kind: loss * 2 * shares[kind] for kind, loss in losses.items()}
            d_losses |= {name: total_loss(losses), **values_by_name(name, losses)}
        discriminator_optimizer.zero_grad()
        run.backward(d_losses["discriminator_a"] + d_losses["discriminator_b"])
        discriminator_optimizer.step()

        run.log(
            run.steps,
            adversarial=adversarial,
            **values_by_name("adversarial", g_losses),
            cycle=cycle,
            identity=identity,
            attention=attention,
            total=total,
            **d_losses,
        )
        if run.every(c.sheet_every or c.epoch(pictures)):
            samples = to_float(domain_a.held_out[:8] if len(domain_a.held_out) else domain_a.training[:8])
            with torch.no_grad():
                translated, _, attention_map = averaged.attend(samples)
                rows = [samples, shown_attention(attention_map, samples), translated, b_to_a(translated)]
                run.sheet(f"{run.steps:07d}", rows, names=("photo", "attention", "drawing", "back"))

"""StyleGAN2, from top to bottom (Karras et al., CVPR 2020; augmentation: Karras et al., NeurIPS 2020).

A mapping turns noise into styles, a synthesis draws pictures of them, a discriminator tells these from real ones. Two
penalties, each every few steps only, keep the discriminator's slope low at real pictures and the generator's even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from henshin.errors import HenshinError
from henshin.train.data import AdaptiveAugmentation, open_pictures
from henshin.train.losses import adversarial_loss, generator_loss, r1_penalty
from henshin.train.networks import EMA
from henshin.train.optim import set_learning_rate
from henshin.train.weights import fill, load_initial_weights
from henshin_plugins.stylegan2.discriminator import StyleGan2Discriminator, first_blocks
from henshin_plugins.stylegan2.training import PathLength, Shown, final_blocks, lazily, mixed, normal, style_based

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from henshin import NetworkChoice, Run
    from henshin_plugins.stylegan2.config import FreezeConfig, GameConfig, StyleGan2RunConfig


def train(config: StyleGan2RunConfig, run: Run) -> None:
    """Train one generator against one discriminator, both from the start."""
    network: Any = run.generator(config.generator)
    discriminator = StyleGan2Discriminator(style_based(network, config.generator.use, config.data.size))
    play(config, run, config.generator, network, discriminator)


def tune(config: FreezeConfig, run: Run) -> None:
    """Train the final blocks of a trained generator: FreezeG; the discriminator's first ones stay too: FreezeD.

    FreezeD: Mo, Cho and Shin 2020; FreezeG turns it round: what a face is stays, how it is drawn is learned.
    """
    c = config
    start = load_initial_weights(run.place(c.start), c.generator, run.registry)
    network: Any = run.generator(start.choice)
    discriminator = StyleGan2Discriminator(style_based(network, start.choice.use, c.data.size))
    start.put(network)
    hold(network.parameters(), True)
    hold(final_blocks(network.synthesis, c.blocks), False)

    known = start.states.get("discriminator")
    if known is not None:
        fill(discriminator, known, f"{start.place}: its discriminator", "that of this run")
    elif c.discriminator_frozen:
        raise HenshinError(
            f"discriminator_frozen: {start.place} brings no discriminator; name the folder of its run as start"
        )
    else:
        run.say(f"{start.place} brings no discriminator: a new one learns, all of it")
    stay = c.discriminator_frozen if c.discriminator_frozen is not None else 2 if known is not None else 0
    hold(first_blocks(discriminator, stay), True)
    play(c, run, start.choice, network, discriminator)


def play(
    c: GameConfig, run: Run, choice: NetworkChoice, network: Any, discriminator_network: StyleGan2Discriminator
) -> None:
    """The game of both: what of the networks needs a gradient learns; the averaged generator is published."""
    learned = [one for one in network.parameters() if one.requires_grad]
    discriminator_learned = [one for one in discriminator_network.parameters() if one.requires_grad]
    mapping_learns = any(one.requires_grad for one in network.mapping.parameters())
    layers, latent = network.synthesis.latent_shape
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    run.say(f"{len(pictures)} pictures, {c.data.size} px; an epoch is {epoch} steps; R1 has weight {c.gamma:.3g}")

    ema = EMA(network, c.averaging).to(run.device)
    path_every = c.path_every if c.path_weight else 0
    generator_share, generator_beta = lazily(1.0, 0.99, path_every)
    discriminator_share, discriminator_beta = lazily(c.discriminator_rate, 0.99, c.r1_every)
    generator_optimizer = torch.optim.Adam(learned, c.learning_rate, (0.0, generator_beta))
    discriminator_optimizer = torch.optim.Adam(discriminator_learned, c.learning_rate, (0.0, discriminator_beta))
    # never compiled: both penalties differentiate twice
    mapping, synthesis, discriminator = run.prepare(
        network.mapping, network.synthesis, discriminator_network, compiled=False
    )
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)
    path = PathLength(c.path_decay)
    adaptive = AdaptiveAugmentation(c.augment, c.augment_target, c.augment_pictures, c.augment_most, c.augment_start)
    shown = Shown(ema.network, c.seed)

    def styles(count: int) -> Tensor:
        """Styles w+ (count, layers, D) of new noise; the mean w follows them."""
        z = normal(run.rng, 2 * count, latent).to(run.device)
        w: Tensor = mapping(z)
        if mapping_learns:
            network.mapping.follow(w)
        return mixed(w[:count], w[count:], layers, c.mixing, run.rng)

    run.publish(choice, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(
        generator=network,
        ema=ema,
        discriminator=discriminator_network,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
        path=path,
        adaptive=adaptive,
    )
    while run.step():
        rate = c.rate(run.steps, len(pictures))
        set_learning_rate(rate * generator_share, generator_optimizer)
        set_learning_rate(rate * discriminator_share, discriminator_optimizer)
        penalties: dict[str, Tensor] = {}
        fake = synthesis(styles(c.batch))
        real = adaptive(pictures.draw(c.batch, run.rng))

        hold(discriminator_learned, False)
        of_real, of_fake = discriminator(real), discriminator(adaptive(fake.detach()))
        d_loss = adversarial_loss("vanilla", [of_real], True) + adversarial_loss("vanilla", [of_fake], False)
        discriminator_optimizer.zero_grad()
        run.backward(d_loss)
        discriminator_optimizer.step()
        adaptive.update(of_real)

        if run.steps % c.r1_every == 0 and c.gamma:
            # in fp32, by the network itself, at the pictures as they were shown: no warp is differentiated twice
            seen = real.detach().requires_grad_()
            penalties["r1"] = r1_penalty([discriminator_network(seen)], seen)
            discriminator_optimizer.zero_grad()
            run.backward(penalties["r1"] * (c.gamma / 2 * c.r1_every))
            discriminator_optimizer.step()

        hold(discriminator_learned, True)
        adversarial = generator_loss("vanilla", [discriminator(adaptive(fake))])
        generator_optimizer.zero_grad()
        run.backward(adversarial)
        generator_optimizer.step()

        if path_every and run.steps % path_every == 0:
            w = styles(max(1, c.batch // c.path_shrink))
            if not mapping_learns:
                w.requires_grad_()
            drawn = network.synthesis(w)
            noise = normal(run.rng, *drawn.shape).to(run.device)
            penalties["path"] = path(drawn, w, noise)
            generator_optimizer.zero_grad()
            run.backward(penalties["path"] * (c.path_weight * path_every))
            generator_optimizer.step()
        ema.update(network)

        run.log(
            run.steps,
            discriminator=d_loss,
            adversarial=adversarial,
            real_score=of_real.detach().float().sigmoid().mean(),
            fake_score=of_fake.detach().float().sigmoid().mean(),
            ada_p=adaptive.probability,
            **penalties,
        )
        if run.every(c.sheet_every or epoch):
            shown.draw(run.sheet, f"{run.steps:07d}", run.device)


def hold(parameters: Iterable[nn.Parameter], held: bool) -> None:
    """Let weights stay as they are, or learn."""
    for parameter in parameters:
        parameter.requires_grad_(not held)

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
    judge = StyleGan2Discriminator(style_based(network, config.generator.use, config.data.size))
    play(config, run, config.generator, network, judge)


def tune(config: FreezeConfig, run: Run) -> None:
    """Train the final blocks of a trained generator: FreezeG; the discriminator's first ones stay too: FreezeD.

    FreezeD: Mo, Cho and Shin 2020; FreezeG turns it round: what a face is stays, how it is drawn is learned.
    """
    c = config
    start = load_initial_weights(run.place(c.start), c.generator, run.registry)
    network: Any = run.generator(start.choice)
    judge = StyleGan2Discriminator(style_based(network, start.choice.use, c.data.size))
    start.put(network)
    hold(network.parameters(), True)
    hold(final_blocks(network.synthesis, c.blocks), False)

    known = start.states.get("judge")
    if known is not None:
        fill(judge, known, f"{start.place}: its discriminator", "that of this run")
    elif c.judge_frozen:
        raise HenshinError(f"judge_frozen: {start.place} brings no discriminator; name the folder of its run as start")
    else:
        run.say(f"{start.place} brings no discriminator: a new one learns, all of it")
    stay = c.judge_frozen if c.judge_frozen is not None else 2 if known is not None else 0
    hold(first_blocks(judge, stay), True)
    play(c, run, start.choice, network, judge)


def play(c: GameConfig, run: Run, choice: NetworkChoice, network: Any, judge_network: StyleGan2Discriminator) -> None:
    """The game of both: what of the networks needs a gradient learns; the averaged generator is published."""
    learned = [one for one in network.parameters() if one.requires_grad]
    judge_learned = [one for one in judge_network.parameters() if one.requires_grad]
    mapping_learns = any(one.requires_grad for one in network.mapping.parameters())
    layers, latent = network.synthesis.latent_shape
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    run.say(f"{len(pictures)} pictures, {c.data.size} px; an epoch is {epoch} steps; R1 has weight {c.gamma:.3g}")

    average = EMA(network, c.averaging).to(run.device)
    path_every = c.path_every if c.path_weight else 0
    generator_share, generator_beta = lazily(1.0, 0.99, path_every)
    judge_share, judge_beta = lazily(c.judge_rate, 0.99, c.r1_every)
    generator_steps = torch.optim.Adam(learned, c.learning_rate, (0.0, generator_beta))
    judge_steps = torch.optim.Adam(judge_learned, c.learning_rate, (0.0, judge_beta))
    # never compiled: both penalties differentiate twice
    mapping, synthesis, judge = run.prepare(network.mapping, network.synthesis, judge_network, compiled=False)
    generator_steps, judge_steps = run.prepare(generator_steps, judge_steps)
    path = PathLength(c.path_decay)
    adaptive = AdaptiveAugmentation(c.augment, c.augment_target, c.augment_pictures, c.augment_most, c.augment_start)
    shown = Shown(average.network, c.seed)

    def styles(count: int) -> Tensor:
        """Styles w+ (count, layers, D) of new noise; the mean w follows them."""
        z = normal(run.rng, 2 * count, latent).to(run.device)
        w: Tensor = mapping(z)
        if mapping_learns:
            network.mapping.follow(w)
        return mixed(w[:count], w[count:], layers, c.mixing, run.rng)

    run.publish(choice, state="average", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(
        generator=network,
        average=average,
        judge=judge_network,
        generator_steps=generator_steps,
        judge_steps=judge_steps,
        path=path,
        adaptive=adaptive,
    )
    while run.step():
        rate = c.rate(run.steps, len(pictures))
        set_learning_rate(rate * generator_share, generator_steps)
        set_learning_rate(rate * judge_share, judge_steps)
        penalties: dict[str, Tensor] = {}
        fake = synthesis(styles(c.batch))
        real = adaptive(pictures.draw(c.batch, run.rng))

        hold(judge_learned, False)
        of_real, of_fake = judge(real), judge(adaptive(fake.detach()))
        judge_loss = adversarial_loss("vanilla", [of_real], True) + adversarial_loss("vanilla", [of_fake], False)
        judge_steps.zero_grad()
        run.backward(judge_loss)
        judge_steps.step()
        adaptive.learn(of_real)

        if run.steps % c.r1_every == 0 and c.gamma:
            # in fp32, by the network itself, at the pictures as they were shown: no warp is differentiated twice
            seen = real.detach().requires_grad_()
            penalties["r1"] = r1_penalty([judge_network(seen)], seen)
            judge_steps.zero_grad()
            run.backward(penalties["r1"] * (c.gamma / 2 * c.r1_every))
            judge_steps.step()

        hold(judge_learned, True)
        adversarial = generator_loss("vanilla", [judge(adaptive(fake))])
        generator_steps.zero_grad()
        run.backward(adversarial)
        generator_steps.step()

        if path_every and run.steps % path_every == 0:
            w = styles(max(1, c.batch // c.path_shrink))
            if not mapping_learns:
                w.requires_grad_()
            drawn = network.synthesis(w)
            noise = normal(run.rng, *drawn.shape).to(run.device)
            penalties["path"] = path(drawn, w, noise)
            generator_steps.zero_grad()
            run.backward(penalties["path"] * (c.path_weight * path_every))
            generator_steps.step()
        average.update(network)

        run.log(
            run.steps,
            judge=judge_loss,
            adversarial=adversarial,
            real_score=of_real.detach().float().sigmoid().mean(),
            fake_score=of_fake.detach().float().sigmoid().mean(),
            ada_p=adaptive.chance,
            **penalties,
        )
        if run.every(c.sheet_every or epoch):
            shown.draw(run.sheet, f"{run.steps:07d}", run.device)


def hold(parameters: Iterable[nn.Parameter], held: bool) -> None:
    """Let weights stay as they are, or learn."""
    for parameter in parameters:
        parameter.requires_grad_(not held)

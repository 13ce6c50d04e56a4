"""StyleGAN2, from top to bottom (Karras et al., CVPR 2020; augmentation: Karras et al., NeurIPS 2020).

A mapping turns noise into styles, a synthesis draws pictures of them, a discriminator tells these from real ones. Two
penalties, each every few steps only, keep the discriminator's slope low at real pictures and the generator's even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from henshin.train.adaptive import Adaptive
from henshin.train.data import open_pictures
from henshin.train.discriminators import frozen
from henshin.train.ema import Average
from henshin.train.losses import generator_loss, r1_penalty, score_loss
from henshin.train.schedule import set_rate
from henshin.train.style import PathLength, Shown, lazily, mixed, normal, style_based
from henshin.train.style_judge import StyleJudge

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.stylegan2.options import StyleGan2RunConfig


def train(config: StyleGan2RunConfig, run: Run) -> None:
    """Train one generator against one discriminator; the averaged generator is published."""
    c = config
    network: Any = run.generator(c.generator)
    judge_network = StyleJudge(style_based(network, c.generator.use, c.data.size))
    layers, latent = network.synthesis.latent_shape
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    run.say(f"{len(pictures)} pictures, {c.data.size} px; an epoch is {epoch} steps; R1 has weight {c.gamma:.3g}")

    average = Average(network, c.averaging).to(run.device)
    path_every = c.path_every if c.path_weight else 0
    generator_share, generator_beta = lazily(1.0, 0.99, path_every)
    judge_share, judge_beta = lazily(c.judge_rate, 0.99, c.r1_every)
    generator_steps = torch.optim.Adam(network.parameters(), c.learning_rate, (0.0, generator_beta))
    judge_steps = torch.optim.Adam(judge_network.parameters(), c.learning_rate, (0.0, judge_beta))
    # never compiled: both penalties differentiate twice
    mapping, synthesis, judge = run.prepare(network.mapping, network.synthesis, judge_network, compiled=False)
    generator_steps, judge_steps = run.prepare(generator_steps, judge_steps)
    path = PathLength(c.path_decay)
    adaptive = Adaptive(c.augment, c.augment_target, c.augment_pictures, c.augment_most, c.augment_start)
    shown = Shown(average.network, c.seed)

    def styles(count: int) -> Tensor:
        """Styles w+ (count, layers, D) of new noise; the mean w follows them."""
        z = normal(run.rng, 2 * count, latent).to(run.device)
        w: Tensor = mapping(z)
        network.mapping.follow(w)
        return mixed(w[:count], w[count:], layers, c.mixing, run.rng)

    run.publish(c.generator, state="average", prefix="network.", size=c.data.size)
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
        set_rate(rate * generator_share, generator_steps)
        set_rate(rate * judge_share, judge_steps)
        penalties: dict[str, Tensor] = {}
        fake = synthesis(styles(c.batch))
        real = adaptive(pictures.draw(c.batch, run.rng))

        frozen(judge, False)
        of_real, of_fake = judge(real), judge(adaptive(fake.detach()))
        judge_loss = score_loss("vanilla", [of_real], True) + score_loss("vanilla", [of_fake], False)
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

        frozen(judge, True)
        adversarial = generator_loss("vanilla", [judge(adaptive(fake))])
        generator_steps.zero_grad()
        run.backward(adversarial)
        generator_steps.step()

        if path_every and run.steps % path_every == 0:
            w = styles(max(1, c.batch // c.path_shrink))
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

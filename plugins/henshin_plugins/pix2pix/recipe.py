"""pix2pix, from top to bottom (Isola et al., CVPR 2017).

One generator learns from pairs. L1 to the target gets the large shapes right, and blurs; a discriminator that sees the
source beside the target, or beside what was drawn of it, asks for the rest.
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
    average = EMA(network, c.average).to(run.device)
    judge = make_discriminator(c.judge, c.judge_width, c.judge_layers, c.judge_norm, channels=6)
    betas = (c.betas[0], c.betas[1])
    generator_steps = torch.optim.Adam(network.parameters(), c.learning_rate, betas)
    judge_steps = torch.optim.Adam(judge.parameters(), c.learning_rate, betas)
    generator, judge = run.prepare(network, judge)
    generator_steps, judge_steps = run.prepare(generator_steps, judge_steps)

    run.publish(c.generator, state="average", prefix="network.", size=c.data.size)
    run.until(c.length(len(pairs)), epoch)
    run.track(
        generator=generator, average=average, judge=judge, generator_steps=generator_steps, judge_steps=judge_steps
    )
    while run.step():
        set_learning_rate(c.rate(run.steps, len(pairs)), generator_steps, judge_steps)
        source, target = pairs.draw(c.batch, run.rng)
        drawn = generator(source)

        set_requires_grad(judge, True)
        real, fake = torch.cat([source, target], 1), torch.cat([source, drawn], 1)
        score_real, score_fake = judge(torch.cat([real, fake.detach()])).chunk(2)
        judge_loss = discriminator_loss(c.gan, [score_real], [score_fake])
        judge_steps.zero_grad()
        run.backward(judge_loss)
        judge_steps.step()

        set_requires_grad(judge, False)
        adversarial = generator_loss(c.gan, [judge(fake)])
        pixel = pixel_loss(drawn, target)
        total = adversarial + c.pixel_weight * pixel
        generator_steps.zero_grad()
        run.backward(total)
        generator_steps.step()
        average.update(network)

        run.log(
            run.steps,
            adversarial=adversarial,
            pixel=pixel,
            total=total,
            judge=judge_loss,
            real_score=mean_score(c.gan, [score_real]),
            fake_score=mean_score(c.gan, [score_fake]),
        )
        if run.every(c.sheet_every or epoch):
            run.sheet(f"{run.steps:07d}", beside_targets(pairs, average), names=("source", "drawn", "target"))


@torch.no_grad()
def beside_targets(pairs: PairedImageSet, network: nn.Module) -> list[Tensor]:
    """Rows of a sheet: sources, what is drawn of them, and their targets; held-out pairs where there are any."""
    source, target = (to_float(pictures[:SHOWN]) for pictures in (pairs.held if len(pairs.held[0]) else pairs.training))
    return [source, network(source), target]

"""CycleGAN, from top to bottom (Zhu et al., ICCV 2017).

Two generators, a to b and b to a. A discriminator for each domain asks that drawings look real; what went there and
back again must be what it was; and a picture that is in the target domain already should stay as it is.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import torch

from henshin.train.data import open_domains, scaled
from henshin.train.discriminators import PatchGan, frozen
from henshin.train.ema import Average
from henshin.train.losses import cycle_loss, discriminator_loss, generator_loss, identity_loss
from henshin.train.pool import ImagePool
from henshin.train.schedule import constant_then_linear, set_rate

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.cyclegan import CycleGanConfig


def train(config: CycleGanConfig, run: Run) -> None:
    """Train the generators of both directions; a -> b is the one that is published."""
    c = config
    domain_a, domain_b = open_domains(run, c.data)

    network_ab, network_ba = run.generator(c.generator), run.generator(c.generator)
    average = Average(network_ab, c.average).to(run.device)
    judge_a, judge_b = (PatchGan(c.judge_width, c.judge_layers, c.judge_norm) for _ in "ab")
    both = chain(network_ab.parameters(), network_ba.parameters())
    generator_steps = torch.optim.Adam(both, c.learning_rate, (0.5, 0.999))
    judge_a_steps = torch.optim.Adam(judge_a.parameters(), c.learning_rate, (0.5, 0.999))
    judge_b_steps = torch.optim.Adam(judge_b.parameters(), c.learning_rate, (0.5, 0.999))
    a_to_b, b_to_a, judge_a, judge_b = run.prepare(network_ab, network_ba, judge_a, judge_b)
    generator_steps, judge_a_steps, judge_b_steps = run.prepare(generator_steps, judge_a_steps, judge_b_steps)
    pool_a, pool_b = ImagePool(c.pool, run.rng), ImagePool(c.pool, run.rng)

    run.publish(c.generator, state="average", prefix="network.", size=c.data.size)
    run.until(c.steps)
    run.track(
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        average=average,
        judge_a=judge_a,
        judge_b=judge_b,
        generator_steps=generator_steps,
        judge_a_steps=judge_a_steps,
        judge_b_steps=judge_b_steps,
        pool_a=pool_a,
        pool_b=pool_b,
    )
    while run.step():
        rate = c.learning_rate * constant_then_linear(run.steps, c.steps, c.decay)
        set_rate(rate, generator_steps, judge_a_steps, judge_b_steps)
        real_a, real_b = domain_a.draw(c.batch, run.rng), domain_b.draw(c.batch, run.rng)

        frozen(judge_a, True)
        frozen(judge_b, True)
        fake_b, fake_a = a_to_b(real_a), b_to_a(real_b)
        again_a, again_b = b_to_a(fake_b), a_to_b(fake_a)
        adversarial = generator_loss(c.gan, [judge_b(fake_b)]) + generator_loss(c.gan, [judge_a(fake_a)])
        cycle = cycle_loss(real_a, again_a) + cycle_loss(real_b, again_b)
        identity = torch.zeros((), device=run.device)
        if c.identity_weight:
            identity = identity_loss(real_b, a_to_b(real_b)) + identity_loss(real_a, b_to_a(real_a))
        generator_steps.zero_grad()
        run.backward(adversarial + c.cycle_weight * cycle + c.identity_weight * identity)
        generator_steps.step()
        average.update(network_ab)

        judge_losses = []
        for judge, steps, real, fake, pool in (
            (judge_a, judge_a_steps, real_a, fake_a, pool_a),
            (judge_b, judge_b_steps, real_b, fake_b, pool_b),
        ):
            frozen(judge, False)
            loss = discriminator_loss(c.gan, [judge(real)], [judge(pool(fake))])
            steps.zero_grad()
            run.backward(loss)
            steps.step()
            judge_losses.append(loss)

        run.log(
            run.steps,
            adversarial=adversarial,
            cycle=cycle,
            identity=identity,
            judge_a=judge_losses[0],
            judge_b=judge_losses[1],
        )
        if run.every(c.sheet_every):
            held = scaled(domain_a.held[:8] if len(domain_a.held) else domain_a.training[:8])
            with torch.no_grad():
                drawn = average(held)
                run.sheet(f"{run.steps:07d}", [held, drawn, b_to_a(drawn)])

"""StyleGAN2, from top to bottom (Karras et al., CVPR 2020; augmentation: Karras et al., NeurIPS 2020).

A mapping turns noise into styles, a synthesis makes pictures of them, a discriminator learns to tell these from real
ones. Two lazy penalties: R1 on the discriminator's gradient at real pictures, and path length on the generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from henshin.errors import HenshinError
from henshin.train.data import AdaptiveAugmentation, open_pictures
from henshin.train.losses import r1_penalty
from henshin.train.networks import (
    EMA,
    discriminator_losses,
    generator_losses,
    join_parts,
    make_discriminators,
    mean_scores,
    total_loss,
    values_by_name,
)
from henshin.train.optim import set_learning_rate
from henshin.train.weights import load_if_fitting, load_initial_weights, load_tensors
from henshin_plugins.stylegan2.discriminator import StyleGan2Discriminator, first_blocks
from henshin_plugins.stylegan2.training import (
    PathLength,
    SampleSheets,
    final_blocks,
    lazy_regularisation,
    mix_styles,
    normal,
    style_based,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from henshin import NetworkChoice, Run
    from henshin.train.weights.loading import InitialWeights
    from henshin_plugins.stylegan2.config import FreezeConfig, StyleGan2RunConfig, StyleGan2TrainingConfig


def train(config: StyleGan2RunConfig, run: Run) -> None:
    """Train all of one generator and of its discriminators, from scratch or from the weights that `start` names."""
    c = config
    network: Any = run.generator(c.generator)
    discriminator = StyleGan2Discriminator(style_based(network, c.generator.use, c.data.size))
    start = None
    if c.start is not None:
        start = load_initial_weights(run.place(c.start), c.generator, run.registry)
        start.load_into(network)
        if "plain" in c.discriminators:
            load_discriminator(run, start, "plain", discriminator)
    train_networks(c, run, c.generator, network, discriminator, start)


def tune(config: FreezeConfig, run: Run) -> None:
    """Train the final blocks of a trained generator (FreezeG); the discriminator's first blocks are frozen (FreezeD).

    FreezeD: Mo, Cho and Shin 2020. FreezeG freezes the first blocks of the generator, which determine the shapes, and
    trains the final ones, which determine the drawing style.
    """
    c = config
    start = load_initial_weights(run.place(c.start), c.generator, run.registry)
    network: Any = run.generator(start.choice)
    discriminator = StyleGan2Discriminator(style_based(network, start.choice.use, c.data.size))
    start.load_into(network)
    set_frozen(network.parameters(), True)
    set_frozen(final_blocks(network.synthesis, c.blocks), False)

    discriminator_state = start.states.get("discriminator")
    if discriminator_state is not None:
        load_tensors(discriminator, discriminator_state, f"{start.path}: its discriminator", "that of this run")
    elif c.discriminator_frozen:
        raise HenshinError(
            f"discriminator_frozen: {start.path} brings no discriminator; name the folder of its run as start"
        )
    elif "plain" in c.discriminators:
        run.say(f"{start.path} brings no discriminator: a new one learns, all of it")
    default = 0 if discriminator_state is None else 2
    frozen_blocks = default if c.discriminator_frozen is None else c.discriminator_frozen
    set_frozen(first_blocks(discriminator, frozen_blocks), True)
    train_networks(c, run, start.choice, network, discriminator, start)


def train_networks(
    c: StyleGan2TrainingConfig,
    run: Run,
    choice: NetworkChoice,
    network: Any,
    plain: StyleGan2Discriminator,
    start: InitialWeights | None,
) -> None:
    """Train all weights of the networks that need a gradient; the averaged generator is published.

    Generator and plain discriminator hold their initial weights; the other discriminators get those of `start` here.
    """
    generator_weights = [one for one in network.parameters() if one.requires_grad]
    mapping_learns = any(one.requires_grad for one in network.mapping.parameters())
    layers, latent = network.synthesis.latent_shape
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    discriminators = make_discriminators(c.discriminators, {"plain": lambda: plain}, (pictures,))
    for name, one in discriminators.items():
        if start is not None and one is not plain:
            load_discriminator(run, start, name, one)
    discriminator_weights = [one for one in discriminators.parameters() if one.requires_grad]
    run.say(f"{len(pictures)} pictures, {c.data.size} px; an epoch is {epoch} steps; R1 has weight {c.gamma:.3g}")

    ema = EMA(network, c.averaging).to(run.device)
    path_every = c.path_every if c.path_weight else 0
    generator_share, generator_beta = lazy_regularisation(1.0, 0.99, path_every)
    discriminator_share, discriminator_beta = lazy_regularisation(c.discriminator_rate, 0.99, c.r1_every)
    generator_optimizer = torch.optim.Adam(generator_weights, c.learning_rate, (0.0, generator_beta))
    discriminator_optimizer = torch.optim.Adam(discriminator_weights, c.learning_rate, (0.0, discriminator_beta))
    # never compiled: both penalties differentiate twice
    mapping, synthesis, discriminator = run.prepare(network.mapping, network.synthesis, discriminators, compiled=False)
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)
    path = PathLength(c.path_decay)
    adaptive = AdaptiveAugmentation(c.augment, c.augment_target, c.augment_pictures, c.augment_most, c.augment_start)
    sheets = SampleSheets(ema.network, c.seed)

    def styles(count: int) -> Tensor:
        """Return styles w+ (count, layers, D) of new noise, and update the mean w."""
        z = normal(run.rng, 2 * count, latent).to(run.device)
        w: Tensor = mapping(z)
        if mapping_learns:
            network.mapping.follow(w)
        return mix_styles(w[:count], w[count:], layers, c.mixing, run.rng)

    run.publish(choice, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(
        generator=network,
        ema=ema,
        **{_state_name(name): one for name, one in discriminators.items()},
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

        set_frozen(discriminator_weights, False)
        scores = join_parts(discriminator(real), discriminator(adaptive(fake.detach())))
        d_losses = {name: 2 * loss for name, loss in discriminator_losses("vanilla", scores).items()}
        d_loss = total_loss(d_losses)
        discriminator_optimizer.zero_grad()
        run.backward(d_loss)
        discriminator_optimizer.step()
        adaptive.update(torch.cat([score.flatten() for score in scores[c.discriminators[0]][0]]))

        if run.steps % c.r1_every == 0 and c.gamma and "plain" in c.discriminators:
            # in fp32, by the unprepared network, at the augmented pictures: no warp is differentiated twice
            pictures_with_grad = real.detach().requires_grad_()
            penalties["r1"] = r1_penalty([plain(pictures_with_grad)], pictures_with_grad)
            discriminator_optimizer.zero_grad()
            run.backward(penalties["r1"] * (c.gamma / 2 * c.r1_every))
            discriminator_optimizer.step()

        set_frozen(discriminator_weights, True)
        g_losses = generator_losses("vanilla", discriminator(adaptive(fake)))
        adversarial = total_loss(g_losses)
        generator_optimizer.zero_grad()
        run.backward(adversarial)
        generator_optimizer.step()

        if path_every and run.steps % path_every == 0:
            w = styles(max(1, c.batch // c.path_shrink))
            if not mapping_learns:
                w.requires_grad_()
            generated = network.synthesis(w)
            noise = normal(run.rng, *generated.shape).to(run.device)
            penalties["path"] = path(generated, w, noise)
            generator_optimizer.zero_grad()
            run.backward(penalties["path"] * (c.path_weight * path_every))
            generator_optimizer.step()
        ema.update(network)

        run.log(
            run.steps,
            discriminator=d_loss,
            adversarial=adversarial,
            **values_by_name("discriminator", d_losses),
            **values_by_name("adversarial", g_losses),
            **mean_scores("vanilla", scores),
            ada_p=adaptive.probability,
            **penalties,
        )
        if run.every(c.sheet_every or epoch):
            sheets.draw(run.sheet, f"{run.steps:07d}", run.device)


def load_discriminator(run: Run, start: InitialWeights, name: str, discriminator: nn.Module) -> None:
    """Load the discriminator `name` of a checkpoint where it fits, else leave it new and say so."""
    if not load_if_fitting(discriminator, start.states.get(_state_name(name))):
        run.say(f"{start.path} brings no {name} discriminator that fits: a new one learns")


def _state_name(name: str) -> str:
    """Return the name of a discriminator's state in a checkpoint."""
    return "discriminator" if name == "plain" else name


def set_frozen(parameters: Iterable[nn.Parameter], frozen: bool) -> None:
    """Freeze weights, or let them learn."""
    for parameter in parameters:
        parameter.requires_grad_(not frozen)

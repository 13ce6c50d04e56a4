"""The encoder of a StyleGAN2, from top to bottom (ReStyle: Alaluf, Patashnik and Cohen-Or, ICCV 2021).

Each batch has photos, whose styles are unknown, and pictures generated from known styles. The encoder improves its
guess in several passes, with an optimiser step in each: no gradient flows back to earlier passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from henshin.api.recipe import NetworkChoice
from henshin.errors import HenshinError
from henshin.train.data import open_pictures, to_float
from henshin.train.losses import Vgg19, perceptual
from henshin.train.networks import EMA
from henshin.train.optim import set_learning_rate
from henshin.train.weights import load_initial_weights
from henshin_plugins.stylegan2.training import mix_styles, normal, style_based

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.stylegan2.encoder.config import EncoderRunConfig

SAMPLED = 4096
"""Number of styles for the standard deviation."""
MEASURED = 64
"""Most held-out pictures that are measured."""
SHOWN = 8
"""Pictures on a sample sheet."""
WARM_UP = 20
"""Steps over which the learning rate rises."""


def train(config: EncoderRunConfig, run: Run) -> None:
    """Train the encoder of one StyleGAN2, which is frozen."""
    c = config
    choice, network, mapping = build_networks(c, run)
    layers, latent = network.synthesis.latent_shape
    pictures = open_pictures(run, c.data.pictures, c.data)
    epoch = c.epoch(len(pictures))
    count = sum(one.numel() for one in network.guess.parameters())
    run.say(
        f"{len(pictures)} pictures, {c.data.size} px; {count / 1e6:.2f} million weights learn; {network.passes} passes"
    )
    vgg = Vgg19(c.layers, activated=True).to(run.device) if c.alpha else None
    ema = EMA(network, c.ema).to(run.device)
    steps = torch.optim.Adam(network.guess.parameters(), c.learning_rate, (0.9, 0.99))
    guess, synthesis = run.prepare(network.guess, network.synthesis)
    steps = run.prepare(steps)
    known = round(c.batch * c.known)
    photos = c.batch - known

    def draw(w: Tensor) -> Tensor:
        """Return pictures of w+ as `Encoder.draw` does, in the precision of the run."""
        reconstructed: Tensor = synthesis(w, network.synthesis.still)
        return reconstructed

    def losses_of(reconstructed: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean squared error of pictures, and the loss."""
        mse = (reconstructed - targets).square().mean()
        return mse, mse if vgg is None else (1 - c.alpha) * mse + c.alpha * perceptual_loss(vgg, reconstructed, targets)

    run.publish(choice, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(encoder=network, ema=ema, steps=steps, mapping=mapping)
    while run.step():
        set_learning_rate(c.rate(run.steps, len(pictures)) * min(1.0, (run.steps + 1) / WARM_UP), steps)
        with torch.no_grad():
            styles = mapping(normal(run.rng, 2 * known, latent).to(run.device))
            wanted = mix_styles(styles[:known], styles[known:], layers, c.mixing, run.rng)
            targets = torch.cat([pictures.draw(photos, run.rng), *([draw(wanted)] if known else [])])
            w = network.begin(c.batch)
            reconstructed = draw(w[:1]).expand_as(targets)

        values: dict[str, Tensor | float] = {}
        for number in range(network.passes):
            w = w + network.deviation * guess(targets, reconstructed)
            distance = ((w - network.mean) / network.deviation).square().mean()
            loss, reconstructions = c.mean_weight * distance, []
            if photos:
                reconstructions.append(draw(w[:photos]))
                values["mse"], loss_of_photos = losses_of(reconstructions[0], targets[:photos])
                values.setdefault("mse_first", values["mse"])
                loss = loss + (photos / c.batch) * loss_of_photos
            if known:
                values["styles"] = ((w[photos:] - wanted) / network.deviation).square().mean()
                loss = loss + (known / c.batch) * c.style_weight * values["styles"]
            steps.zero_grad()
            run.backward(loss)
            steps.step()
            w = w.detach()
            if number + 1 < network.passes:
                with torch.no_grad():
                    reconstructions += [draw(w[photos:])] if known else []
                reconstructed = torch.cat(reconstructions).detach()
        ema.update(network)

        if run.every(c.sheet_every or epoch):
            held_out = pictures.held_out if len(pictures.held_out) else pictures.training[:SHOWN]
            rows, errors = passes_of(ema.network, to_float(held_out[:MEASURED]))
            run.sheet(f"{run.steps:07d}", rows, names=["photo", *(f"pass {i}" for i in range(1, len(rows)))])
            if len(pictures.held_out):
                values |= {f"held_{number}": value for number, value in enumerate(errors)}
                run.say(f"held out: MSE {errors[0]:.3f} of the mean; {', '.join(f'{one:.4f}' for one in errors[1:])}")
        run.log(run.steps, **values)


def build_networks(c: EncoderRunConfig, run: Run) -> tuple[NetworkChoice, Any, Any]:
    """Return the choice of the encoder, the encoder with the synthesis of `start`, and its mapping, frozen.

    Errors: HenshinError if `start` is no StyleGAN2, or one of another size.
    """
    start = load_initial_weights(run.place(c.start), c.generator, run.registry)
    if start.choice.use != "stylegan2":
        raise HenshinError(f"start: {start.path} is of generator '{start.choice.use}'; a stylegan2 is wanted")
    whole: Any = run.generator(start.choice)
    style_based(whole, start.choice.use, c.data.size)
    start.load_into(whole)
    mapping = whole.mapping.eval().requires_grad_(False).to(run.device)
    choice = NetworkChoice(use=c.encoder.use, **{**c.encoder.options, "synthesis": start.choice.options})
    network: Any = run.generator(choice).to(run.device)
    if not hasattr(network, "guess"):
        raise HenshinError(f"encoder: '{choice.use}' does not improve a guess; 'stylegan2-encoder' does")
    network.synthesis.load_state_dict(whole.synthesis.state_dict())
    with torch.no_grad():
        z = normal(run.rng, SAMPLED, len(mapping.mean)).to(run.device)
        network.deviation.copy_(mapping(z).std(0).clamp(min=1e-4))
        network.mean.copy_(mapping.mean)
    return choice, network, mapping


def perceptual_loss(vgg: Vgg19, reconstructed: Tensor, targets: Tensor) -> Tensor:
    """Return the mean perceptual distance of pictures, as in the stage `inversion`."""
    with torch.no_grad():
        wanted = vgg(targets)
    return perceptual.perceptual_distance(vgg(reconstructed), wanted, perceptual.feature_energy(wanted)).mean()


@torch.no_grad()
def passes_of(network: Any, pictures: Tensor) -> tuple[list[Tensor], list[float]]:
    """Return rows of pictures and of the reconstructions of each pass; the errors of all, the mean style's first."""
    w = network.begin(len(pictures))
    rows, errors = [pictures[:SHOWN]], []
    for number in range(network.passes + 1):
        reconstructed = network.draw(w)
        errors.append(float((reconstructed - pictures).square().mean()))
        if number:
            rows.append(reconstructed[:SHOWN])
        w = w + network.deviation * network.guess(pictures, reconstructed)
    return rows, errors

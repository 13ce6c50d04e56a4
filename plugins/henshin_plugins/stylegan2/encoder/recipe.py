"""The encoder of a StyleGAN2, from top to bottom (ReStyle: Alaluf, Patashnik and Cohen-Or, ICCV 2021).

Every step shows it photos, whose styles nobody knows, and pictures drawn from styles that are known. Pass by pass it
improves its guess, and learns from each pass by itself: no gradient goes back through the passes before.
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
from henshin_plugins.stylegan2.training import mixed, normal, style_based

if TYPE_CHECKING:
    from henshin import Run
    from henshin_plugins.stylegan2.encoder.config import EncoderRunConfig

SAMPLED = 4096
"""Styles that their deviation is taken of."""
LOOKED_AT = 64
"""Held-out pictures that are measured, at most."""
SHOWN = 8
"""Pictures of a sheet."""
WARM = 20
"""Steps over which the learning rate rises."""


def train(config: EncoderRunConfig, run: Run) -> None:
    """Train the encoder of one StyleGAN2, which stays bit for bit."""
    c = config
    choice, network, mapping = opened(c, run)
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
        """As `Encoder.draw`, in the precision of the run."""
        drawn: Tensor = synthesis(w, network.synthesis.still)
        return drawn

    def apart(drawn: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Mean square apart of pictures, and what is minimised."""
        mse = (drawn - seen).square().mean()
        return mse, mse if vgg is None else (1 - c.alpha) * mse + c.alpha * features_apart(vgg, drawn, seen)

    run.publish(choice, state="ema", prefix="network.", size=c.data.size)
    run.until(c.length(len(pictures)), epoch)
    run.track(encoder=network, ema=ema, steps=steps, mapping=mapping)
    while run.step():
        set_learning_rate(c.rate(run.steps, len(pictures)) * min(1.0, (run.steps + 1) / WARM), steps)
        with torch.no_grad():
            both = mapping(normal(run.rng, 2 * known, latent).to(run.device))
            wanted = mixed(both[:known], both[known:], layers, c.mixing, run.rng)
            seen = torch.cat([pictures.draw(photos, run.rng), *([draw(wanted)] if known else [])])
            w = network.begin(c.batch)
            drawn = draw(w[:1]).expand_as(seen)

        noted: dict[str, Tensor | float] = {}
        for number in range(network.passes):
            w = w + network.deviation * guess(seen, drawn)
            away = ((w - network.mean) / network.deviation).square().mean()
            loss, found = c.mean_weight * away, []
            if photos:
                found.append(draw(w[:photos]))
                noted["mse"], likeness = apart(found[0], seen[:photos])
                noted.setdefault("mse_first", noted["mse"])
                loss = loss + (photos / c.batch) * likeness
            if known:
                noted["styles"] = ((w[photos:] - wanted) / network.deviation).square().mean()
                loss = loss + (known / c.batch) * c.style_weight * noted["styles"]
            steps.zero_grad()
            run.backward(loss)
            steps.step()
            w = w.detach()
            if number + 1 < network.passes:
                with torch.no_grad():
                    found += [draw(w[photos:])] if known else []
                drawn = torch.cat(found).detach()
        ema.update(network)

        if run.every(c.sheet_every or epoch):
            shown = pictures.held_out if len(pictures.held_out) else pictures.training[:SHOWN]
            rows, after = guesses(ema.network, to_float(shown[:LOOKED_AT]))
            run.sheet(f"{run.steps:07d}", rows, names=["photo", *(f"pass {i}" for i in range(1, len(rows)))])
            if len(pictures.held_out):
                noted |= {f"held_{number}": value for number, value in enumerate(after)}
                run.say(f"held out: MSE {after[0]:.3f} of the mean; {', '.join(f'{one:.4f}' for one in after[1:])}")
        run.log(run.steps, **noted)


def opened(c: EncoderRunConfig, run: Run) -> tuple[NetworkChoice, Any, Any]:
    """The encoder around the synthesis that `start` holds, and the mapping beside it, which is frozen too.

    Errors: HenshinError when that is no StyleGAN2, or draws pictures of another size.
    """
    start = load_initial_weights(run.place(c.start), c.generator, run.registry)
    if start.choice.use != "stylegan2":
        raise HenshinError(f"start: {start.place} is of generator '{start.choice.use}'; a stylegan2 is wanted")
    whole: Any = run.generator(start.choice)
    style_based(whole, start.choice.use, c.data.size)
    start.put(whole)
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


def features_apart(vgg: Vgg19, drawn: Tensor, seen: Tensor) -> Tensor:
    """How far the features of pictures are apart, averaged over them: what the stage inversion minimises."""
    with torch.no_grad():
        wanted = vgg(seen)
    return perceptual.perceptual_distance(vgg(drawn), wanted, perceptual.feature_energy(wanted)).mean()


@torch.no_grad()
def guesses(network: Any, pictures: Tensor) -> tuple[list[Tensor], list[float]]:
    """The first pictures above what is drawn of every pass's guess; mean square apart of all, at the mean first."""
    w = network.begin(len(pictures))
    rows, after = [pictures[:SHOWN]], []
    for number in range(network.passes + 1):
        drawn = network.draw(w)
        after.append(float((drawn - pictures).square().mean()))
        if number:
            rows.append(drawn[:SHOWN])
        w = w + network.deviation * network.guess(pictures, drawn)
    return rows, after

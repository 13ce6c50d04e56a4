"""CartoonGAN, from top to bottom (Chen, Lai, Liu, CVPR 2018).

One generator translates photos to cartoons. A VGG-19 content loss preserves the content of the photo. The
discriminator learns that cartoons are real, and that generated pictures and edge-smoothed cartoons are fake: so it
attends to edges. In the initialisation phase the generator learns from the content loss alone, to reconstruct photos.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from henshin.train.data import apply_stage, augment, open_domains, to_float
from henshin.train.data.stage_transform import make_stage
from henshin.train.losses import (
    Vgg19,
    colour_loss,
    content_loss,
    edge_promoting_loss,
    pixel_loss,
    style_loss,
)
from henshin.train.networks import (
    EMA,
    gan_loss_of,
    generator_losses,
    make_discriminators,
    mean_scores,
    set_requires_grad,
    total_loss,
    values_by_name,
)
from henshin.train.optim import set_learning_rate
from henshin_plugins.cartoongan.edge_promotion import PromotedAsDrawn
from henshin_plugins.cartoongan.network import CartoonDiscriminator

if TYPE_CHECKING:
    from henshin import Run
    from henshin.train.data import ImageSet
    from henshin_plugins.cartoongan.config import CartoonGanConfig


def train(config: CartoonGanConfig, run: Run) -> None:
    """Train one generator from photos (a) to cartoons (b)."""
    c = config
    photos, cartoons = open_domains(run, c.data)
    smooth = without_edges(c, run, cartoons)

    network = run.generator(c.generator)
    ema = EMA(network, c.ema).to(run.device)
    patch = partial(CartoonDiscriminator, c.discriminator_width, c.discriminator_norm)
    discriminator, vgg = make_discriminators(c.discriminators, {"patch": patch}, (photos, cartoons)), Vgg19(c.layers)
    generator_optimizer = torch.optim.Adam(network.parameters(), c.learning_rate, (0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), c.learning_rate, (0.5, 0.999))
    generator, discriminator, vgg = run.prepare(network, discriminator, vgg)
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)

    def features(pictures: Tensor) -> dict[str, Tensor]:
        """Return VGG's features on 0 to 255, by layer."""
        return dict(zip(c.layers, (layer.float() for layer in vgg(pictures)), strict=True))

    epoch, length = c.epoch(len(photos)), c.length(len(photos))
    initialisation = c.initialisation_steps(len(photos))
    run.say(f"{initialisation} of {length} steps from content alone")
    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    run.until(length, epoch)
    run.track(
        generator=generator,
        ema=ema,
        discriminator=discriminator,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
    )
    while run.step():
        rate = c.rate(run.steps, len(photos))
        set_learning_rate(rate, generator_optimizer)
        set_learning_rate(rate * c.discriminator_rate, discriminator_optimizer)
        photo, cartoon, blurred = (domain.draw(c.batch, run.rng) for domain in (photos, cartoons, smooth))
        adversarial = run.steps >= initialisation
        generated = generator(photo)

        values: dict[str, Tensor] = {}
        if adversarial:
            set_requires_grad(discriminator, True)
            batch = augment(torch.cat([cartoon, generated.detach(), blurred]), c.augment)
            scores = discriminator(batch, 3)
            d_losses = {
                name: edge_promoting_loss(gan_loss_of(name, c.gan), real, fake, smoothed, c.smooth_weight)
                for name, (real, fake, smoothed) in scores.items()
            }
            d_loss = total_loss(d_losses)
            discriminator_optimizer.zero_grad()
            run.backward(d_loss)
            discriminator_optimizer.step()
            values = {"discriminator": d_loss, **values_by_name("discriminator", d_losses)}
            values |= mean_scores(c.gan, scores, keys=("real_score", "fake_score", "smooth_score"))

        with torch.no_grad():
            target = features(photo)
        generated_features = features(generated)
        values["content"] = (
            content_loss([generated_features[c.content_layer]], [target[c.content_layer]]) / 255
        )  # of pictures in [0, 1]
        total = c.content_weight * values["content"]
        if not adversarial and c.pixel_weight:
            values["pixel"] = pixel_loss(generated.float(), photo)
            total = total + c.pixel_weight * values["pixel"]
        if adversarial:
            set_requires_grad(discriminator, False)
            g_losses = generator_losses(c.gan, discriminator(augment(generated, c.augment)))
            values |= {"adversarial": total_loss(g_losses), **values_by_name("adversarial", g_losses)}
            total = total + values["adversarial"]
        if adversarial and c.colour_weight:
            values["colour"] = colour_loss(photo, generated.float())
            total = total + c.colour_weight * values["colour"]
        if adversarial and c.style_weight:
            with torch.no_grad():
                style = features(cartoon)
            values["style"] = style_loss(
                *([F.relu(of[layer]) for layer in c.gram_layers] for of in (generated_features, style))
            )
            total = total + c.style_weight * values["style"]
        generator_optimizer.zero_grad()
        run.backward(total)
        generator_optimizer.step()
        ema.update(network)

        run.log(run.steps, **values, total=total)
        if run.every(c.sheet_every or epoch):
            samples = to_float(photos.held_out[:8] if len(photos.held_out) else photos.training[:8])
            with torch.no_grad():
                run.sheet(f"{run.steps:07d}", [samples, ema(samples)], names=("photo", "drawing"))


def without_edges(config: CartoonGanConfig, run: Run, cartoons: ImageSet) -> ImageSet | PromotedAsDrawn:
    """Return the cartoons with smoothed edges: computed now, or for each batch when it is loaded."""
    smoothing = config.smooth.model_dump(exclude_none=True)
    if config.smooth_at == "start":
        return apply_stage(run, cartoons, "edge_promote", smoothing)
    s = make_stage(run, "edge_promote", smoothing).config
    return PromotedAsDrawn(cartoons, low=s.low, high=s.high, dilate=s.dilate, kernel=s.kernel, sigma=s.deviation)

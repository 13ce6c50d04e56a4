"""CartoonGAN, from top to bottom (Chen, Lai, Liu, CVPR 2018).

One generator draws photos as cartoons. VGG-19 holds it to what the photo shows; the discriminator takes cartoons for
real, and what was drawn for fake, and cartoons whose edges were smoothed away too: so it learns to look for edges. At
the beginning the generator learns from the contents alone, that is, to give back what it gets.
"""

from __future__ import annotations

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
    generator_loss,
    pixel_loss,
    style_loss,
)
from henshin.train.networks import EMA, mean_score, set_requires_grad
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
    discriminator, vgg = CartoonDiscriminator(c.discriminator_width, c.discriminator_norm), Vgg19(c.layers)
    generator_optimizer = torch.optim.Adam(network.parameters(), c.learning_rate, (0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), c.learning_rate, (0.5, 0.999))
    generator, discriminator, vgg = run.prepare(network, discriminator, vgg)
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)

    def features(pictures: Tensor) -> dict[str, Tensor]:
        """VGG's features on 0 to 255, by layer."""
        return dict(zip(c.layers, (found.float() for found in vgg(pictures)), strict=True))

    epoch, length = c.epoch(len(photos)), c.length(len(photos))
    beginning = c.beginning(len(photos))
    run.say(f"{beginning} of {length} steps from content alone")
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
        playing = run.steps >= beginning
        drawn = generator(photo)

        said: dict[str, Tensor] = {}
        if playing:
            set_requires_grad(discriminator, True)
            shown = augment(torch.cat([cartoon, drawn.detach(), blurred]), c.augment)
            real, fake, dull = discriminator(shown).float().chunk(3)
            d_loss = edge_promoting_loss(c.gan, [real], [fake], [dull], c.smooth_weight)
            discriminator_optimizer.zero_grad()
            run.backward(d_loss)
            discriminator_optimizer.step()
            said = {"discriminator": d_loss}
            for name, score in (("real_score", real), ("fake_score", fake), ("smooth_score", dull)):
                said[name] = mean_score(c.gan, [score])

        with torch.no_grad():
            wanted = features(photo)
        got = features(drawn)
        said["content"] = content_loss([got[c.content_layer]], [wanted[c.content_layer]]) / 255  # of pictures in [0, 1]
        total = c.content_weight * said["content"]
        if not playing and c.pixel_weight:
            said["pixel"] = pixel_loss(drawn.float(), photo)
            total = total + c.pixel_weight * said["pixel"]
        if playing:
            set_requires_grad(discriminator, False)
            said["adversarial"] = generator_loss(c.gan, [discriminator(augment(drawn, c.augment)).float()])
            total = total + said["adversarial"]
        if playing and c.colour_weight:
            said["colour"] = colour_loss(photo, drawn.float())
            total = total + c.colour_weight * said["colour"]
        if playing and c.style_weight:
            with torch.no_grad():
                manner = features(cartoon)
            said["style"] = style_loss(*([F.relu(of[layer]) for layer in c.manner] for of in (got, manner)))
            total = total + c.style_weight * said["style"]
        generator_optimizer.zero_grad()
        run.backward(total)
        generator_optimizer.step()
        ema.update(network)

        run.log(run.steps, **said, total=total)
        if run.every(c.sheet_every or epoch):
            held = to_float(photos.held_out[:8] if len(photos.held_out) else photos.training[:8])
            with torch.no_grad():
                run.sheet(f"{run.steps:07d}", [held, ema(held)], names=("photo", "drawing"))


def without_edges(config: CartoonGanConfig, run: Run, cartoons: ImageSet) -> ImageSet | PromotedAsDrawn:
    """The twin of the cartoons whose edges are smoothed: made now, or of each batch as it is drawn."""
    smoothing = config.smooth.model_dump(exclude_none=True)
    if config.smooth_at == "start":
        return apply_stage(run, cartoons, "edge_promote", smoothing)
    s = make_stage(run, "edge_promote", smoothing).config
    return PromotedAsDrawn(cartoons, low=s.low, high=s.high, dilate=s.dilate, kernel=s.kernel, sigma=s.deviation)

"""Contrastive unpaired translation, from top to bottom (Park et al., ECCV 2020).

One generator translates photos to drawings. Discriminators, with differentiable augmentation of all their inputs,
learn to tell the results from drawings. By the contrastive loss the features of each patch of a result, computed by
the generator's encoder, must be nearest to those of the same patch of the photo.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.api.recipe import constant_then_linear
from henshin.errors import HenshinError
from henshin.train.data import ImagePool, augment, open_domains, to_float
from henshin.train.losses import (
    broad_colour_loss,
    identity_loss,
    patch_nce_loss,
    picture_nce_loss,
)
from henshin.train.networks import (
    EMA,
    MultiScaleDiscriminator,
    discriminator_losses,
    generator_losses,
    make_discriminators,
    mean_scores,
    set_requires_grad,
    total_loss,
    values_by_name,
)
from henshin.train.optim import set_learning_rate
from henshin_plugins.cut.beginning import begin, tracked

if TYPE_CHECKING:
    from henshin import Run
    from henshin.train.data import ImageSet
    from henshin_plugins.cut.config import CutConfig


class Heads(nn.Module):
    """One small network for each tap, from features (N, S, C) to unit vectors (N, S, 256)."""

    def __init__(self, channels: list[int], width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )

    def forward(self, features: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """Return unit vectors (N, S, 256) for each tap, of features (N, C, H, W) at the `places` (S,) of H * W."""
        return [
            F.normalize(head(f.flatten(2)[:, :, p].transpose(1, 2)).float(), dim=2)
            for head, f, p in zip(self.heads, features, places, strict=True)
        ]


def train(config: CutConfig, run: Run) -> None:
    """Train one generator from domain a to domain b."""
    c = config
    network = run.generator(c.generator)
    features: Any = getattr(network, "features", None)
    if features is None or not hasattr(network, "trace"):
        raise HenshinError(f"generator '{c.generator.use}' lacks trace() and features(); 'resnet' has them")
    photos, drawings = open_domains(run, c.data)

    heads = Heads(tapped_channels(c, features, run))
    discriminators = make_discriminators(c.discriminators, {"patch": partial(patch, c)}, (photos, drawings))
    growth = begin(run, c.start, network, heads, discriminators)
    generator_optimizer = torch.optim.Adam([*network.parameters(), *heads.parameters()], c.learning_rate, c.betas)
    discriminator_optimizer = torch.optim.Adam(discriminators.parameters(), c.learning_rate, c.betas)
    ema = EMA(network, c.ema).to(run.device)
    generator, heads, discriminators = run.prepare(network, heads, discriminators)
    generator.mark_forward_method("trace")
    generator.mark_forward_method("features")
    generator_optimizer, discriminator_optimizer = run.prepare(generator_optimizer, discriminator_optimizer)

    pool = ImagePool(c.pool, run.rng)

    run.publish(c.generator, state="ema", prefix="network.", size=c.data.size)
    run.until(c.steps, -(-len(photos) // c.batch))
    run.track(
        generator=generator,
        ema=ema,
        heads=heads,
        discriminators=discriminators,
        generator_optimizer=generator_optimizer,
        discriminator_optimizer=discriminator_optimizer,
        pool=pool,
        **tracked(growth),
    )

    if growth and not growth.learn(run, c.growth_steps, generator, ema, lambda: draw(c, run, photos, drawings)):
        return
    alone = c.growth_steps * bool(growth) + c.pretrain
    while run.step():
        size = c.size_at(run.steps)
        photo, drawing = draw(c, run, photos, drawings)
        rate = c.learning_rate * constant_then_linear(run.steps, c.steps, c.decay)
        set_learning_rate(rate, generator_optimizer)
        set_learning_rate(rate * c.discriminator_rate, discriminator_optimizer)

        # photos and, for the identity losses, drawings go through the generator together
        source = torch.cat([photo, drawing[: c.identities]])
        generated, keys = generator.trace(source, c.taps)
        fake = generated[: c.batch]

        set_requires_grad(discriminators, True)
        for repeat in range(c.discriminator_repeats):
            real = fitted(drawings.draw(c.batch, run.rng), size) if repeat else drawing
            batch = augment(torch.cat([real, pool(fake.detach())]), c.augment)
            scores = discriminators(batch, 2)
            d_losses = discriminator_losses(c.gan, scores)
            d_loss = total_loss(d_losses)
            discriminator_optimizer.zero_grad()
            run.backward(d_loss)
            discriminator_optimizer.step()

        if run.steps < alone:
            run.log(run.steps, discriminator=d_loss, **mean_scores(c.gan, scores))
            continue
        set_requires_grad(discriminators, False)
        g_losses = generator_losses(c.gan, discriminators(augment(fake, c.augment)))
        adversarial = total_loss(g_losses)
        queries = generator.features(generated[: c.compared], c.taps)
        places = [torch.randperm(f.shape[2] * f.shape[3], device=run.device)[: c.patches] for f in queries]
        pairs = list(zip(heads(queries, places), heads([k[: c.compared].detach() for k in keys], places), strict=True))
        losses = {"adversarial": adversarial}
        losses["contrast"] = torch.stack([patch_nce_loss(query, key, c.temperature) for query, key in pairs]).mean()
        total = adversarial + c.nce_weight * losses["contrast"]
        if c.picture_nce_weight:
            of_photos = [(query[: c.batch], key[: c.batch]) for query, key in pairs]
            by_tap = [picture_nce_loss(query, key, c.temperature) for query, key in of_photos]
            losses["picture_contrast"] = torch.stack(by_tap).mean()
            total = total + c.picture_nce_weight * losses["picture_contrast"]
        if c.identity_l1_weight:
            losses["identity"] = identity_loss(drawing[: c.identities], generated[c.batch :])
            total = total + c.identity_l1_weight * losses["identity"]
        if c.colour_weight:
            losses["colour"] = broad_colour_loss(fake, photo, tolerance=c.colour_tolerance)
            total = total + c.colour_weight * losses["colour"]
        losses["total"] = total
        generator_optimizer.zero_grad()
        run.backward(total)
        generator_optimizer.step()
        ema.update(network)

        run.log(
            run.steps,
            discriminator=d_loss,
            **losses,
            **({"variety": variety(fake, photo)} if c.batch > 1 else {}),
            **values_by_name("discriminator", d_losses),
            **values_by_name("adversarial", g_losses),
            **mean_scores(c.gan, scores),
        )
        if run.every(c.sheet_every):
            samples = fitted(shown(photos), size)
            with torch.no_grad():
                run.sheet(f"{run.steps:07d}", [samples, ema(samples)], names=("photo", "drawing"))


def patch(config: CutConfig) -> nn.Module:
    """Return the discriminators of patches at all scales."""
    c = config
    return MultiScaleDiscriminator(
        c.scales, c.discriminator_width, c.discriminator_layers, c.discriminator_norm, c.discriminator_gain
    )


@torch.no_grad()
def tapped_channels(config: CutConfig, features: Any, run: Run) -> list[int]:
    """Return the channels of each layer in `taps`; those that the generator lacks are told. Errors: it lacks all."""
    found = features(torch.zeros(1, 3, 64, 64), tuple(range(max(config.taps) + 1)))
    lacking = [str(tap) for tap in sorted({*config.taps}) if tap >= len(found)]
    problem = (
        f"taps: generator '{config.generator.use}' has no layer {', '.join(lacking)}; its last is {len(found) - 1}"
    )
    if len(lacking) == len({*config.taps}):
        raise HenshinError(problem)
    if lacking:
        run.say(f"{problem}, and only the others are compared")
    return [found[tap].shape[1] for tap in sorted({*config.taps}) if tap < len(found)]


def draw(config: CutConfig, run: Run, *domains: ImageSet) -> list[Tensor]:
    """Return a batch of each domain at the size of this step."""
    size = config.size_at(run.steps)
    return [fitted(domain.draw(config.batch, run.rng), size) for domain in domains]


def shown(photos: ImageSet) -> Tensor:
    """Return the photos of the sample sheets: the first held-out ones, else the first of the training."""
    return to_float((photos.held_out if len(photos.held_out) else photos.training)[:12])


@torch.no_grad()
def variety(drawings: Tensor, photos: Tensor, side: int = 16) -> Tensor:
    """Return the mean distance of two drawings of a batch, divided by that of two photos, reduced to `side` px.

    Distances are Euclidean, of RGB values; N at least 2. 1: drawings differ as photos do; 0: they are all alike. Photos
    that hardly differ count as apart by two grey levels.
    """

    def distance(pictures: Tensor) -> Tensor:
        return torch.pdist(F.adaptive_avg_pool2d(pictures.float(), side).flatten(1)).mean()

    return distance(drawings) / distance(photos).clamp_min(4 / 255 * math.sqrt(3) * side)


def fitted(pictures: Tensor, size: int) -> Tensor:
    """Return pictures reduced to `size`, with antialiasing."""
    if size == pictures.shape[3]:
        return pictures
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)

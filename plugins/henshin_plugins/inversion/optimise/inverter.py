"""Inversion by optimisation of many independent pictures in one batch (Abdal et al. 2019, Karras et al. 2020).

The losses of all rows of a batch are summed, no layer of the network mixes rows, and Adam works number by number, so
the result of a row does not depend on the others. On a CPU it is bitwise independent
(`henshin_plugins.inversion.optimise.frozen`): over hundreds of steps rounding would otherwise grow to visible
differences.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from henshin.errors import HenshinError, PictureError
from henshin.train.devices.fabric import is_fast_at_bf16
from henshin.train.export.exporter import SamplerWrapper
from henshin.train.losses import Vgg19, feature_energy, perceptual_distance
from henshin.train.optim import set_learning_rate, warmup_then_cosine
from henshin.train.weights import load_trained_network
from henshin.train.weights.trained_network import TrainedNetwork, hash_of
from henshin_plugins.inversion.cache import Inverted
from henshin_plugins.inversion.optimise.directions import directions
from henshin_plugins.inversion.optimise.frozen import freeze, rows_times
from henshin_plugins.inversion.optimise.rows import Rows, normalise, only, structure

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Context, Picture
    from henshin_plugins.inversion.config import InversionConfig

CHECK_EVERY = 10
"""Steps between two checks for finished rows, each of which waits for the GPU."""
JITTER_PART = 0.75
"""Part of the steps over which the jitter fades to zero."""
SAMPLED = 4096
"""Number of noise vectors for the standard deviation of styles and the noise nearest to the mean style."""
DIRECTIONS_VERSION = 2
"""Version of the directions; it changes whenever those of the same network change."""
REPORT_EVERY = 10.0
"""Seconds between two lines of progress."""


def network_of(config: InversionConfig, context: Context) -> TrainedNetwork:
    """Return the model's network with its weights. Errors: HenshinError if it is no StyleGAN2."""
    source = load_trained_network(config.model, context.registry, context.store, context.base)
    network: Any = source.network
    parts = (getattr(network, "mapping", None), getattr(network, "synthesis", None))
    if None in parts or not hasattr(parts[0], "mean") or not hasattr(parts[1], "latent_shape"):
        raise HenshinError(f"inversion.model: '{config.model}' has no mapping and synthesis; a StyleGAN2 is wanted")
    return source


Guesses = Sequence["npt.NDArray[np.float32]"]
"""A latent (L, D) for each picture, the initial one of its first start."""


class Inverter:
    """The optimiser of latents. `identity` describes its network and options of use, `size` is the side of pictures.

    Measurements of a network are stored in the folder `cache`.
    """

    def __init__(
        self,
        config: InversionConfig,
        source: TrainedNetwork,
        device: str,
        log: logging.Logger,
        cache: Path | None = None,
    ) -> None:
        self.config, self.log = config, log
        self.device = torch.device(device)
        g = source.generator
        network: Any = source.network.eval().requires_grad_(False).float()
        self.identity = f"{g.name} {g.config.model_dump_json()} {hash_of(network)} {g.value_range} {g.channel_order}"
        self.network = freeze(network.to(self.device))
        self.synthesis = self.network.synthesis
        dtype = torch.bfloat16 if self._in_bf16() else torch.float32
        self.quick = freeze(network.synthesis, dtype)
        self.layers, self.latent = self.synthesis.latent_shape
        self.size = int(self.synthesis(torch.zeros(1, self.layers, self.latent, device=self.device)).shape[2])
        self.sampler = SamplerWrapper(self.synthesis, g.value_range, g.channel_order == "BGR")
        self.vgg = freeze(Vgg19(config.layers, activated=True).to(self.device), dtype) if config.alpha else None
        self.deviation, self.middle = self._sampled()
        self.turned = self._turned(cache) if config.turned and config.space != "z" and config.steps else None

    def __call__(self, pictures: Sequence[Picture], guesses: Guesses | None = None) -> list[Inverted | PictureError]:
        """Invert pictures (size, size, 3) uint8 in batches of `batch`, smaller ones if memory does not suffice."""
        results: list[Inverted | PictureError] = []
        count = self.config.batch
        while len(results) < len(pictures):
            part = pictures[len(results) : len(results) + count]
            begun = perf_counter()
            try:
                near = None if guesses is None else guesses[len(results) : len(results) + count]
                found = self.inverted(self._scaled(part), near)
            except torch.OutOfMemoryError:
                if len(part) == 1:
                    raise
                count = len(part) // 2
                self.log.info("inversion: %d faces at once, for memory is short", count)
                continue
            results += found
            self._report(f"{len(results)} of {len(pictures)}", found, perf_counter() - begun)
        return results

    def inverted(self, targets: Tensor, guesses: Guesses | None = None) -> list[Inverted | PictureError]:
        """Invert pictures (N, 3, size, size), RGB in [-1, 1], all in one batch."""
        starts = self.config.starts
        done = self._optimised(targets.to(self.device), guesses)
        results: list[Inverted | PictureError] = []
        for face in range(len(targets)):
            rows = [done[face * starts + start] for start in range(starts)]
            whole = [row for row in rows if not isinstance(row, PictureError)]
            broken = [row for row in rows if isinstance(row, PictureError)]
            results.append(min(whole, key=lambda row: row.loss) if whole else broken[0])
        return results

    # -- The loop ----------------------------------------------------------------------------------------------------

    def _optimised(self, targets: Tensor, guesses: Guesses | None) -> dict[int, Inverted | PictureError]:
        """Return the results of all starts of all pictures: {row: result}."""
        c = self.config
        randoms = [np.random.default_rng([c.seed, start]) for start in range(c.starts)]
        rows, parameters = self._begin(targets, randoms, guesses)
        steps = torch.optim.Adam(parameters, c.learning_rate, (c.beta1, c.beta2))
        done: dict[int, Inverted | PictureError] = {}
        reported = perf_counter()
        for step in range(c.steps + 1):
            styles = self._styles(rows.base, parameters[0]) + self._jitter(step, randoms)[rows.start]
            noises = parameters[1:]
            loss = self.losses(self._pictures(self.quick, styles, noises), rows, noises)
            rows.learn(step, loss.detach(), styles.detach(), [one.detach() for one in noises])
            if step == c.steps:
                break
            set_learning_rate(c.learning_rate * warmup_then_cosine(step, c.steps, c.ramp_up, c.ramp_down), steps)
            steps.zero_grad()
            torch.autograd.backward(loss.sum())
            steps.step()
            normalise(noises)
            if (step + 1) % CHECK_EVERY == 0:
                leave = rows.broken | (rows.since < step - (c.patience or c.steps) + 1)
                if bool(leave.any()):
                    done |= self._end(rows.only(leave), step + 1)
                    rows, parameters = rows.only(~leave), only(steps, ~leave)
                    if not len(rows.number):
                        return done
                if perf_counter() - reported > REPORT_EVERY:
                    reported = perf_counter()
                    mean = float(rows.best.mean())
                    self.log.info(
                        "inversion: step %d of %d, %d at work, mean loss %.4f", step + 1, c.steps, len(rows.best), mean
                    )
        return done | self._end(rows, c.steps)

    def losses(self, pictures: Tensor, rows: Rows, noises: Sequence[Tensor] = ()) -> Tensor:
        """Return the losses (N,) of pictures (N, 3, S, S).

        The perceptual part is the mean squared error of features over their mean square, averaged over the layers.
        """
        alpha = self.config.alpha
        loss = (1 - alpha) * (pictures - rows.target).square().mean((1, 2, 3))
        if self.vgg is not None:
            loss = loss + alpha * perceptual_distance(self.vgg(pictures), rows.seen, rows.energy)
        for noise in noises:
            loss = loss + self.config.noise_weight * structure(noise)
        return loss

    def _begin(
        self, targets: Tensor, randoms: list[np.random.Generator], guesses: Guesses | None = None
    ) -> tuple[Rows, list[Tensor]]:
        """Return the rows and the optimised tensors: offsets (R, ...) of the latents, then noise for each layer."""
        c = self.config
        first = torch.stack([self._first(start, rng) for start, rng in enumerate(randoms)])
        base = first.repeat(len(targets), 1, 1)
        if guesses is not None:
            base[:: c.starts] = self._guessed(guesses)
        parameters = [torch.zeros_like(base)]
        if c.noise == "optimised":
            for fixed in self.synthesis.noises():
                noises = [torch.from_numpy(rng.standard_normal(fixed.shape, np.float32)) for rng in randoms]
                parameters.append(torch.cat(noises).to(self.device).repeat(len(targets), 1, 1, 1))
        normalise(parameters[1:])
        with torch.no_grad():
            seen = self.vgg(targets) if self.vgg is not None else []
        energy = feature_energy(seen) if seen else targets.new_ones(len(targets), 0)
        repeated = [one.repeat_interleave(c.starts, 0) for one in (targets, energy, *seen)]
        rows = Rows.fresh(c.starts, base, self.layers, repeated[0], repeated[2:], repeated[1], parameters[1:])
        return rows, [one.requires_grad_() for one in parameters]

    @torch.no_grad()
    def _end(self, rows: Rows, steps: int) -> dict[int, Inverted | PictureError]:
        """Return the results of finished rows; errors for those whose loss was not finite."""
        raw = self._raw(self.synthesis, rows.styles, rows.noises)
        mse = (self._signed(raw) - rows.target).square().mean((1, 2, 3))  # in fp32, whatever the precision of the steps
        pictures = self.sampler.postprocess(raw).cpu().numpy()
        numbers = zip(rows.number.tolist(), rows.broken.tolist(), mse.tolist(), rows.best.tolist(), strict=True)
        return {
            number: PictureError("the inversion came to values that are not finite; try a lower learning_rate")
            if broken
            else Inverted(rows.styles[i].cpu().numpy(), np.ascontiguousarray(pictures[i]), error, loss, steps)
            for i, (number, broken, error, loss) in enumerate(numbers)
        }

    # -- Latents, styles, pictures -----------------------------------------------------------------------------------

    @torch.no_grad()
    def _sampled(self) -> tuple[float, Tensor]:
        """Return the root mean squared distance of styles from their mean, and the z nearest to the mean."""
        z = torch.from_numpy(np.random.default_rng(0).standard_normal((SAMPLED, self.latent), np.float32))
        z = z.to(self.device)
        w = self.network.mapping(z)
        distance = (w - self.network.mapping.mean).square().sum(1)
        return float(distance.mean().sqrt()), z[distance.argmin()][None]

    def _turned(self, cache: Path | None) -> Tensor:
        """Return the directions of the search: (L, D, D), or (1, D, D) for one style of all layers."""
        name = hashlib.sha256(f"{DIRECTIONS_VERSION} {self.identity}".encode()).hexdigest()
        file = None if cache is None else cache / f"directions-{name}.npy"
        shape = (self.layers, self.latent)
        found = directions(self.network, shape, self.device, lambda text: self.log.info("inversion: %s", text), file)
        return found[:-1] if self.config.space == "w+" else found[-1:]

    @torch.no_grad()
    def _first(self, start: int, rng: np.random.Generator) -> Tensor:
        """Return the initial latent of a start: (L, D), or (1, D) in z and w."""
        c = self.config
        z = torch.from_numpy(rng.standard_normal((1, self.latent), np.float32)).to(self.device)
        at_mean = c.start == "mean" and start == 0
        if c.space == "z":
            return self.middle if at_mean else z
        w: Tensor = self.network.mapping.mean[None] if at_mean else self.network.mapping(z)
        return w if c.space == "w" else w.expand(self.layers, -1)

    def _guessed(self, guesses: Guesses) -> Tensor:
        """Return guesses as latents (N, L, D), or their means (N, 1, D) for one style of all layers."""
        found = torch.from_numpy(np.stack(guesses)).to(self.device)
        return found if self.config.space == "w+" else found.mean(1, keepdim=True)

    def _styles(self, base: Tensor, parameters: Tensor) -> Tensor:
        """Return the styles (R, L, D) of offsets (R, L or 1, D) from a base."""
        if self.turned is not None:
            pairs = zip(parameters.unbind(1), self.turned, strict=True)
            parameters = torch.stack([rows_times(one, matrix) for one, matrix in pairs], 1)
        latents = base + parameters
        w: Tensor = self.network.mapping(latents[:, 0])[:, None] if self.config.space == "z" else latents
        return w.expand(-1, self.layers, -1)

    def _jitter(self, step: int, randoms: list[np.random.Generator]) -> Tensor:
        """Return noise on the styles of each start, (starts, 1 or L, D), the same for every picture."""
        c = self.config
        left = max(0.0, 1 - step / (JITTER_PART * c.steps)) if c.jitter and c.steps else 0.0
        if not left:
            return torch.zeros(c.starts, 1, 1, device=self.device)
        shape = (self.layers if c.space == "w+" else 1, self.latent)
        noise = np.stack([rng.standard_normal(shape, np.float32) for rng in randoms])
        return torch.from_numpy(noise).to(self.device) * (self.deviation * c.jitter * left**2)

    def _raw(self, synthesis: Any, styles: Tensor, noises: Sequence[Tensor]) -> Tensor:
        output: Tensor = synthesis(styles, noises) if noises else synthesis(styles)
        return output

    def _pictures(self, synthesis: Any, styles: Tensor, noises: Sequence[Tensor]) -> Tensor:
        """Return pictures (N, 3, S, S), RGB in about [-1, 1]."""
        return self._signed(self._raw(synthesis, styles, noises))

    def _signed(self, raw: Tensor) -> Tensor:
        """Return a network's output as RGB in about [-1, 1]."""
        signed = (raw - self.sampler.low) * (2 / self.sampler.span) - 1
        return signed.flip(1) if self.sampler.bgr else signed

    def _scaled(self, pictures: Sequence[Picture]) -> Tensor:
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1

    def _in_bf16(self) -> bool:
        precision = self.config.precision
        return precision == "bf16" or (precision == "auto" and is_fast_at_bf16(self.device.type == "cuda"))

    def _report(self, how_far: str, found: Sequence[Inverted | PictureError], seconds: float) -> None:
        whole = [one for one in found if isinstance(one, Inverted)]
        if whole:
            mse = [one.mse for one in whole]
            most = max(one.steps for one in whole)
            self.log.info(
                "inversion: %s faces, MSE %.4f to %.4f after %d steps, %.1f s",
                how_far,
                min(mse),
                max(mse),
                most,
                seconds,
            )

"""How fast inversion is: many faces at once, one after the other, and by a plain loop. See README.md in this folder.

    python bench/invert.py [--model NAME --pictures FOLDER] [--encoder NAME] [--count 8] [--steps 300] [--device cpu]

All ways run in this process, in turns, with the same network and pictures, and nothing comes from the cache.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from henshin.images import read
from henshin.images.resizing import resample
from henshin.registry import build_registry
from henshin.testing import context
from henshin.train.losses import Vgg19, feature_energy, perceptual_distance
from henshin.train.weights.trained_network import TrainedNetwork
from henshin_plugins.inversion.cache import Inverted
from henshin_plugins.inversion.config import InversionConfig
from henshin_plugins.inversion.optimise.inverter import Inverter, network_of

SHARES = (30, 15, 10, 5, 3, 2, 1)
"""The encoder's start is tried with these parts of the steps: one thirtieth, ..., all."""


def main() -> None:
    o = parse()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as cache:
        run(o, Path(cache))


def run(o: argparse.Namespace, cache: Path) -> None:
    options = {"steps": o.steps, "alpha": o.alpha, "space": o.space, "patience": None}
    config = InversionConfig(model=o.model or "random", batch=o.count, **options)
    source = network_of(config, context(cache)) if o.model else fresh(o)
    make = partial(made, config, source, o.device, cache)
    together = make()
    pictures = given(o, together.size) if o.pictures else drawn(together, o.count)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, device {o.device}, {torch.get_num_threads()} threads")
    print(f"{o.count} pictures of {together.size} px, {o.steps} steps in {o.space}, alpha {o.alpha:g}")
    print(f"seconds are the median of {o.repeats} turns; losses and MSE are means over the pictures")
    ways: dict[str, Callable[[], list[Inverted]]] = {
        f"{o.count} at once": lambda: together(pictures),
        "one after the other": lambda: alone(pictures),
    }
    alone = make(batch=1)
    wanted = [one.loss for one in together(pictures)]  # also chooses kernels
    if o.plain:
        plain = Plain(source, config, o.device, o.plain)
        ways["plain loop, to the same loss"] = lambda: plain(pictures, wanted)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[Inverted]] = {}
    for _ in range(o.repeats):
        for name, way in ways.items():
            begun = perf_counter()
            found[name] = way()
            seconds[name].append(perf_counter() - begun)
    first = median(next(iter(seconds.values())))
    for name, times in seconds.items():
        tell(name, found[name], f"{o.count / median(times):7.3f} pictures/s, {median(times) / first:5.2f}x the time")
    if o.plain:
        print(f"  the plain loop's loss after {o.steps} steps: {np.mean(plain.after):.4f}")
    if o.encoder:
        shortened(o, make, pictures)


def made(config: InversionConfig, source: TrainedNetwork, device: str, cache: Path, **changed: Any) -> Inverter:
    return Inverter(config.model_copy(update=changed), source, device, logging.getLogger("henshin.bench"), cache)


def tell(name: str, found: list[Inverted], more: str) -> None:
    mse, steps = [one.mse for one in found], [one.steps for one in found]
    loss = np.mean([one.loss for one in found])
    print(f"  {name:<30} {more:<36} {np.mean(steps):6.0f} steps  loss {loss:.4f}  MSE {np.mean(mse):.4f}", end="")
    print(f", median {median(mse):.4f}, at most {max(mse):.4f}", flush=True)


def shortened(o: argparse.Namespace, make: Callable[..., Inverter], pictures: list[Any]) -> None:
    """What few steps come to, from the encoder's guesses and from the mean: each length a run with its own rates."""
    encoder = context(Path()).model(o.encoder)
    guesses = [encoder.encode([picture])[0] for picture in pictures]
    for steps in [0, *sorted({max(1, o.steps // share) for share in SHARES})]:
        tell(f"{steps} steps", make(steps=steps, encoder=o.encoder)(pictures, guesses), f"from {o.encoder}")
        tell(f"{steps} steps", make(steps=steps)(pictures), "from the mean")


class Plain:
    """What one would write first: a picture at a time, w+ from the mean by Adam as it is, at a rate of 0.1.

    It ends where a picture has the loss that is wanted, or after `most` steps.
    """

    def __init__(self, source: TrainedNetwork, config: InversionConfig, device: str, most: int) -> None:
        self.network: Any = source.network.to(device).eval().requires_grad_(False)
        self.vgg = Vgg19(config.layers, activated=True).to(device) if config.alpha else None
        self.alpha, self.device, self.most = config.alpha, device, most
        self.steps = config.steps
        self.after: list[float] = []

    def __call__(self, pictures: list[Any], wanted: list[float]) -> list[Inverted]:
        self.after = []
        return [self._one(np.array(picture), loss) for picture, loss in zip(pictures, wanted, strict=True)]

    def _one(self, picture: Any, wanted: float) -> Inverted:
        target = torch.from_numpy(picture).to(self.device).permute(2, 0, 1)[None].float() / 127.5 - 1
        w = self.network.broad(self.network.mapping.mean[None]).clone().requires_grad_()
        adam = torch.optim.Adam([w], lr=0.1)
        seen = self.vgg(target) if self.vgg is not None else []
        energy = feature_energy(seen) if seen else None
        best = Inverted(None, picture, np.inf, np.inf, 0)
        for step in range(self.most + 1):
            shown = self.network.synthesis(w)
            mse = (shown - target).square().mean()
            loss = (1 - self.alpha) * mse
            if self.vgg is not None and energy is not None:
                loss = loss + self.alpha * perceptual_distance(self.vgg(shown), seen, energy)[0]
            if loss.item() < best.loss:
                best = Inverted(None, picture, mse.item(), loss.item(), step)
            if step == self.steps:
                self.after.append(best.loss)
            if best.loss <= wanted:
                break
            adam.zero_grad()
            loss.backward()
            adam.step()
        return Inverted(None, picture, best.mse, best.loss, step)


def fresh(o: argparse.Namespace) -> TrainedNetwork:
    """A StyleGAN2 that has learned nothing: as fast as one that has."""
    generator = build_registry().generator("stylegan2")
    config = generator.Config(size=o.size, width=o.width, latent=o.latent, maximum_width=o.width * 4)
    made = generator(config)
    return TrainedNetwork(made, made.build(), o.size, "", "", "")


@torch.no_grad()
def drawn(inverter: Inverter, count: int) -> list[Any]:
    """Pictures that the network draws of noise."""
    z = torch.randn(count, inverter.latent, device=inverter.device)
    raw = inverter.synthesis(inverter.network.broad(inverter.network.mapping(z)))
    return [np.ascontiguousarray(one) for one in inverter.sampler.postprocess(raw).cpu().numpy()]


def given(o: argparse.Namespace, size: int) -> list[Any]:
    files = sorted(path for path in Path(o.pictures).rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    return [resample(read(file).picture, size, size) for file in files[: o.count]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a StyleGAN2 (default: one with random weights)")
    parser.add_argument("--pictures", help="a folder of faces (default: what the network itself draws)")
    parser.add_argument("--encoder", help="an encoder of the model: how few steps suffice from its guesses")
    parser.add_argument("--count", type=int, default=8, help="pictures, all at once (default: %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="of the random network, pixels (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="its channels at 64 px (default: %(default)s)")
    parser.add_argument("--latent", type=int, default=128, help="numbers of its noise (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="of optimisation (default: %(default)s)")
    parser.add_argument("--space", choices=["z", "w", "w+"], default="w+", help="default: %(default)s")
    parser.add_argument("--alpha", type=float, default=0.0, help="share of the perceptual loss (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=1, help="turns (default: %(default)s)")
    parser.add_argument(
        "--plain",
        type=int,
        default=3000,
        help="steps of the plain loop, at most; 0 leaves it out (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How much faster inversion is with many faces at once than one after the other. See README.md in this folder.

    python bench/invert.py [--model NAME --pictures FOLDER] [--count 8] [--size 64] [--steps 100] [--device cpu]

Both ways run in this process, in turns, with the same network and pictures, and nothing comes from the cache.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from henshin import PictureError
from henshin.images import read
from henshin.registry import build_registry
from henshin.resampling import resample
from henshin.testing import context
from henshin.train.export import Source
from henshin_plugins.inversion import InversionConfig
from henshin_plugins.inversion.optimise import Inverter, network_of


def main() -> None:
    o = parse()
    torch.manual_seed(0)
    log = logging.getLogger("henshin.bench")
    options = {"steps": o.steps, "alpha": o.alpha, "space": o.space, "patience": None}
    config = InversionConfig(model=o.model or "random", **options)
    with tempfile.TemporaryDirectory() as cache:
        source = network_of(config, context(Path(cache))) if o.model else fresh(o)
    ways = {
        f"{o.count} at once": Inverter(config.model_copy(update={"batch": o.count}), source, o.device, log),
        "one after the other": Inverter(config.model_copy(update={"batch": 1}), source, o.device, log),
    }
    size = next(iter(ways.values())).size
    pictures = given(o, size) if o.pictures else drawn(ways[f"{o.count} at once"], o.count)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, device {o.device}, {torch.get_num_threads()} threads")
    print(
        f"{o.count} pictures of {size} px, {o.steps} steps in {o.space}, alpha {o.alpha:g}, median of {o.repeats} turns"
    )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    mse: dict[str, list[float]] = {}
    for turn in range(o.repeats + 1):
        for name, inverter in ways.items():
            begun = perf_counter()
            found = inverter(pictures)
            if turn:  # the first one chooses kernels
                seconds[name].append(perf_counter() - begun)
            mse[name] = [one.mse for one in found if not isinstance(one, PictureError)]
    slow = median(seconds["one after the other"])
    for name, times in seconds.items():
        rate, worst = o.count / median(times), max(mse[name])
        faster = f"{slow / median(times):.2f}x"
        print(f"  {name:<20} {rate:7.2f} pictures/s  {faster:>6}  MSE {np.mean(mse[name]):.4f}, at most {worst:.4f}")


def fresh(o: argparse.Namespace) -> Source:
    """A StyleGAN2 that has learned nothing: as fast as one that has."""
    generator = build_registry().generator("stylegan2")
    config = generator.Config(size=o.size, width=o.width, latent=o.latent, maximum_width=o.width * 4)
    made = generator(config)
    return Source(made, made.build(), o.size, "", "", "")


@torch.no_grad()
def drawn(inverter: Inverter, count: int) -> list[np.ndarray]:
    """Pictures that the network draws of noise."""
    z = torch.randn(count, inverter.latent, device=inverter.device)
    raw = inverter.synthesis(inverter.network.broad(inverter.network.mapping(z)))
    return [np.ascontiguousarray(one) for one in inverter.sampler.shown(raw).cpu().numpy()]


def given(o: argparse.Namespace, size: int) -> list[np.ndarray]:
    files = sorted(path for path in Path(o.pictures).rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    return [resample(read(file).picture, size, size) for file in files[: o.count]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a StyleGAN2 (default: one with random weights)")
    parser.add_argument("--pictures", help="a folder of faces (default: what the network itself draws)")
    parser.add_argument("--count", type=int, default=8, help="pictures, all at once (default: %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="of the random network, pixels (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="its channels at 64 px (default: %(default)s)")
    parser.add_argument("--latent", type=int, default=128, help="numbers of its noise (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100, help="of optimisation (default: %(default)s)")
    parser.add_argument("--space", choices=["z", "w", "w+"], default="w+", help="default: %(default)s")
    parser.add_argument("--alpha", type=float, default=0.0, help="share of the perceptual loss (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

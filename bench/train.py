"""How fast henshin trains, side by side with a plain fp32 loop of the same updates. See README.md in this folder.

    python bench/train.py [--size 128] [--width 32] [--blocks 6] [--batch 4] [--steps 20] [--repeats 3] [--device cpu]

Both train CycleGAN from the same first weights on the same pictures, in turns, each turn in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 3
"""Steps before the clock starts: the first ones choose kernels, and a GPU's compile."""

RUN = """\
recipe: cyclegan
generator: {{use: resnet, width: {width}, blocks: {blocks}}}
data: {{a: pictures, b: pictures, size: {size}, hold_out: 0, duplicates: ignore}}
discriminator_width: {width}
batch: {batch}
steps: 100000
sheet_every: 100000
"""


def main() -> None:
    options = parse()
    if options.turn:
        turn = {"plain": plain, "henshin": henshin}[options.turn]
        print(json.dumps(turn(options, Path(options.folder))))
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, device {options.device}")
    rates: dict[str, list[float]] = {"plain": [], "henshin": []}
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="henshin-bench-") as name:
        folder = Path(name)
        make_pictures(folder / "pictures", options.size)
        (folder / "run.yaml").write_text(RUN.format(**vars(options)))
        for _ in range(options.repeats):
            for turn, found in rates.items():
                words = [sys.executable, __file__, *sys.argv[1:], "--turn", turn, "--folder", str(folder)]
                said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
                told[turn] = json.loads(said.splitlines()[-1])
                found.append(told[turn]["rate"] * options.batch)
    print(
        f"CycleGAN, ResNet of width {options.width} and {options.blocks} blocks, {options.size} px, "
        f"batch {options.batch}, median of {options.repeats} turns of {options.steps} steps"
    )
    for turn, found in rates.items():
        share = f"  {median(found) / median(rates['plain']):.2f}x" if turn == "henshin" else ""
        print(
            f"  {turn + ', ' + told[turn]['how']:<42} {median(found):8.2f} pictures/s "
            f"({min(found):.2f} to {max(found):.2f}){share}"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layers (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=6, help="residual blocks (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="pictures of each domain a step (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="steps in each turn (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--turn", choices=["plain", "henshin"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_pictures(folder: Path, size: int, count: int = 48) -> None:
    """Pieces of the photos of examples/, enough of them that no batch repeats another."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    photos = [Image.open(file).convert("RGB") for file in sorted((ROOT / "examples").glob("*.jpg"))]
    for i in range(count):
        photo = photos[i % len(photos)]
        side = min(photo.size) // 2
        left, top = (int(rng.integers(0, length - side)) for length in photo.size)
        piece = photo.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
        piece.save(folder / f"{i:03d}.png")


def henshin(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """`henshin train` as it is, timed by its own log."""
    from henshin.registry import build_registry
    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import train

    registry = build_registry()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        asked = TrainOptions(device=options.device, max_steps=WARM_UP + options.steps, log_every=1)
        run = train(load_run(folder / "run.yaml", registry), Path(name) / "run", registry, asked, silent)
        lines = (Path(name) / "run" / "log.jsonl").read_text().splitlines()
        times = [json.loads(line)["time"] for line in lines]
        precision = json.loads((Path(name) / "run" / "run.json").read_text())["precision"]
    compiled = ", compiled" if run.compiler else ""
    return {"rate": options.steps / (times[-1] - times[WARM_UP - 1]), "how": f"{precision}{compiled}"}


def silent(_: str) -> None:
    """Say nothing."""


def plain(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The updates of the paper as one writes them down: fp32, one pass for each use of a network."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.nn import functional as F

    from henshin.train.data import ImagePool
    from henshin.train.networks import PatchDiscriminator
    from henshin_plugins.cyclegan.network import ResNetGenerator

    kind = torch.device(options.device)
    files = sorted((folder / "pictures").iterdir())
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files]))
    pictures = (pixels.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1).to(kind)
    rng = np.random.default_rng(0)
    ab, ba = (ResNetGenerator(options.width, options.blocks, 2, "transposed").to(kind) for _ in "ab")
    discriminator_a, discriminator_b = (PatchDiscriminator(options.width).to(kind) for _ in "ab")
    generators = torch.optim.Adam([*ab.parameters(), *ba.parameters()], 2e-4, (0.5, 0.999))
    discriminators = [
        torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
        for discriminator in (discriminator_a, discriminator_b)
    ]
    pools = [ImagePool(100, rng), ImagePool(100, rng)]

    def draw() -> torch.Tensor:
        chosen = pictures[torch.from_numpy(rng.integers(len(pictures), size=options.batch))]
        mirrored = torch.from_numpy(rng.random(options.batch) < 0.5).to(kind)[:, None, None, None]
        return torch.where(mirrored, chosen.flip(3), chosen)

    def towards(scores: torch.Tensor, target: float) -> torch.Tensor:
        return F.mse_loss(scores, torch.full_like(scores, target))

    start = 0.0
    for step in range(WARM_UP + options.steps):
        if step == WARM_UP:
            start = now(kind)
        real_a, real_b = draw(), draw()
        for discriminator in (discriminator_a, discriminator_b):
            discriminator.requires_grad_(False)
        fake_b, fake_a = ab(real_a), ba(real_b)
        adversarial = towards(discriminator_b(fake_b), 1) + towards(discriminator_a(fake_a), 1)
        cycle = F.l1_loss(ba(fake_b), real_a) + F.l1_loss(ab(fake_a), real_b)
        identity = F.l1_loss(ab(real_b), real_b) + F.l1_loss(ba(real_a), real_a)
        generators.zero_grad()
        (adversarial + 10 * cycle + 5 * identity).backward()
        generators.step()
        sides = zip(
            (discriminator_a, discriminator_b), discriminators, pools, (real_a, real_b), (fake_a, fake_b), strict=True
        )
        for discriminator, steps, pool, real, fake in sides:
            discriminator.requires_grad_(True)
            loss = 0.5 * (towards(discriminator(real), 1) + towards(discriminator(pool(fake)), 0))
            steps.zero_grad()
            loss.backward()
            steps.step()
    return {"rate": options.steps / (now(kind) - start), "how": "fp32"}


def now(device: Any) -> float:
    """The time when a device has done all that it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()

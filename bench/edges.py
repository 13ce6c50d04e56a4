"""How fast edges are promoted, side by side with plain numpy. See README.md in this folder.

    python bench/edges.py [--pictures FOLDER] [--count 48] [--size 256] [--batch 4] [--device cpu] [--no-torch]

All work on the same pictures, in turns; medians are printed, and that the results are the same is checked.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image
from run import ROOT, SUFFIXES, make_squares

LARGE = (4000, 6000)
"""Height and width of a picture of 24 megapixels."""


def main() -> None:
    options = parse()
    if options.large:
        large(Path(options.large))
        return
    sources = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in SUFFIXES)[: options.count]
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory(prefix="henshin-bench-") as name:
        folder = make_squares(sources, Path(name) / "squares", options.count, options.size)
        pictures = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
        compare(options, pictures)
        words = [sys.executable, __file__, "--large", str(sources[0])]
        print(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout, end="")
        if not options.no_torch:
            batches(options, pictures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples", help="what squares are cut from")
    parser.add_argument("--count", type=int, default=48, help="pictures in each turn (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="their side in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="pictures of a training batch (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="of the training batches (default: %(default)s)")
    parser.add_argument("--no-torch", action="store_true", help="leave out the training batches")
    parser.add_argument("--large", help=argparse.SUPPRESS)
    return parser.parse_args()


def stage() -> Any:
    from henshin_plugins.edge import EdgePromote
    from henshin_plugins.edge.config import EdgePromoteConfig

    made = EdgePromote(EdgePromoteConfig())
    made.open(None)  # type: ignore[arg-type]
    return made


def compare(options: argparse.Namespace, pictures: list[np.ndarray]) -> None:
    """The stage and plain numpy."""
    ours = stage()
    took: dict[str, list[float]] = {"plain": [], "stage": []}
    for _ in range(options.repeats):
        seconds, expected = timed(lambda: [promoted(picture) for picture in pictures])
        took["plain"].append(seconds)
        seconds, got = timed(lambda: ours.run(pictures))
        took["stage"].append(seconds)
        apart = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(got, expected, strict=True))
        if apart > 1:
            sys.exit(f"the stage and plain numpy are {apart} grey levels apart")
    ratios = [a / b for a, b in zip(took["plain"], took["stage"], strict=True)]
    print(f"\nedge_promote, {len(pictures)} pictures of {options.size} px in memory, median of {options.repeats} turns")
    for name, words in (("plain", "plain numpy, whole arrays"), ("stage", "the stage")):
        print(f"  {words:<40} {len(pictures) / median(took[name]):8.1f} pictures/s")
    print(f"  {'ratio':<40} {median(ratios):8.1f}  ({min(ratios):.1f} to {max(ratios):.1f})")


def large(source: Path) -> None:
    """A picture of 24 megapixels, in a process of its own."""
    ours = stage()
    ours.run([np.zeros((64, 64, 3), np.uint8)])
    with Image.open(source) as photo:
        picture = np.ascontiguousarray(photo.convert("RGB").resize(LARGE[::-1], Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).integers(0, 60, (LARGE[0], LARGE[1], 1), dtype=np.uint8)
    picture = np.maximum(picture, 60) - noise  # an enlarged photo has no edges of its own
    del noise
    before = peak()
    seconds, _ = timed(lambda: ours.run([picture]))
    size = picture.nbytes / 2**20
    print(f"\nedge_promote, one picture of {LARGE[1]}x{LARGE[0]} px ({size:.0f} MiB)")
    print(f"  {seconds:.2f} s; {peak() - before:.0f} MiB more at its peak than before, the result included")


def batches(options: argparse.Namespace, pictures: list[np.ndarray]) -> None:
    """CartoonGAN's two ways: all pictures once by the stage, or each batch as it is drawn."""
    import torch

    from henshin_plugins.cartoongan.edge_promotion import promoted as twin

    ours = stage()
    part = pictures[: options.batch]
    x = torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous().to(options.device)

    def drawn() -> None:
        twin(x)
        if x.is_cuda:
            torch.cuda.synchronize()

    drawn()
    turns = 4 * options.repeats
    once = [timed(lambda: ours.run(part))[0] for _ in range(turns)]
    each = [timed(drawn)[0] for _ in range(turns)]
    print(f"\na training batch of {len(part)}, {options.size} px, {torch.get_num_threads()} threads, {options.device}")
    print(f"  by the stage, once at the start          {1000 * median(once):8.1f} ms")
    print(f"  as it is drawn, at each step             {1000 * median(each):8.1f} ms")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak() -> float:
    """Peak resident MiB of this process; ru_maxrss counts KiB on Linux and bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


# -- The same in plain numpy, as one writes it down: whole arrays, one operation after the other


def promoted(picture: np.ndarray) -> np.ndarray:
    """Canny at 100 and 200, widened by 5x5, blurred by a Gaussian of 5x5 there; uint8 (H, W, 3)."""
    luma = (picture.astype(np.int64) @ np.array([4899, 9617, 1868]) + (1 << 13)) >> 14
    zone = widened(canny(luma, 100, 200), 5)
    weights = np.exp(-0.5 * (np.arange(-2, 3) / 1.1) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    p = np.pad(picture.astype(np.float64), ((2, 2), (2, 2), (0, 0)), "edge")
    height, width = luma.shape
    blurred = sum(kernel[y, x] * p[y : y + height, x : x + width] for y in range(5) for x in range(5))
    result: np.ndarray = np.where(zone[..., None], np.floor(blurred + 0.5), picture).astype(np.uint8)
    return result


def canny(luma: np.ndarray, low: float, high: float) -> np.ndarray:
    p = np.pad(luma, 1, "edge")
    rows, columns = p[:-2] + 2 * p[1:-1] + p[2:], p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    gx, gy = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    ax, ay = np.abs(gx), np.abs(gy)
    size = ax + ay
    height, width = size.shape
    q = np.pad(size, 1)
    at = {(y, x): q[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y in (-1, 0, 1) for x in (-1, 0, 1)}
    ridge = np.select(
        [ay * 32768 < ax * 13573, ay * 32768 > ax * (13573 + 65536), (gx < 0) != (gy < 0)],
        [
            (size > at[0, -1]) & (size >= at[0, 1]),
            (size > at[-1, 0]) & (size >= at[1, 0]),
            (size > at[-1, 1]) & (size > at[1, -1]),
        ],
        (size > at[-1, -1]) & (size > at[1, 1]),
    )
    weak, edges = ridge & (size > low), ridge & (size > high)
    while True:
        grown = weak & widened(edges, 3)
        if np.array_equal(grown, edges):
            return edges
        edges = grown


def widened(mask: np.ndarray, side: int) -> np.ndarray:
    p = np.pad(mask, side // 2)
    height, width = mask.shape
    parts = [p[y : y + height, x : x + width] for y in range(side) for x in range(side)]
    result: np.ndarray = np.logical_or.reduce(parts)
    return result


if __name__ == "__main__":
    main()

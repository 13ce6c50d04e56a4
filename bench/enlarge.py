"""What cutting a picture into tiles costs, and what it saves. See README.md in this folder.

    python bench/enlarge.py [--model NAME] [--picture FILE] [--size 1200 900] [--tile N ...] [--repeats 3]

One picture is enlarged by henshin, by one bare `session.run` on the whole, and by a loop over tiles of 256 pixels.
Every way runs in a process of its own; they run in turns, and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NAIVE = 256


def main() -> None:
    options = parse()
    if options.way is not None:
        print(json.dumps(measured(options)))
        return
    ways = ["whole", f"loop of {NAIVE}", "henshin", *(f"henshin, tile {side}" for side in options.tile)]
    if options.without_whole:
        ways.remove("whole")
    width, height = options.size
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, device {options.device}")
    print(f"{options.model}, {width} x {height} pixels, median of {options.repeats} turns\n")
    turns = [{way: child(way) for way in ways} for _ in range(options.repeats)]
    first = ways[0]
    print(f"  {'':<18} {'seconds':>9} {'ratio':>6} {'CPU s':>9} {'peak MiB':>9}  largest difference from the first")
    for way in ways:
        seconds, cpu, peak = (median(turn[way][what] for turn in turns) for what in ("seconds", "cpu", "peak"))
        ratio = median(turn[way]["seconds"] / turn[first]["seconds"] for turn in turns)
        apart = max(difference(turn[way]["probe"], turn[first]["probe"]) for turn in turns)
        print(f"  {way:<18} {seconds:9.2f} {ratio:6.2f} {cpu:9.2f} {peak:9.0f}  {apart}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="carn-m", help="the model (default: %(default)s)")
    parser.add_argument("--scale", type=int, default=2, help="of a multi-scale model this one (default: %(default)s)")
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "group.jpg", help="what is enlarged")
    parser.add_argument("--size", type=int, nargs=2, default=[1200, 900], help="its width and height before that")
    parser.add_argument("--tile", type=int, nargs="*", default=[], help="other tiles for henshin to try")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--without-whole", action="store_true", help="for a picture that memory does not hold whole")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    return parser.parse_args()


def child(way: str) -> dict[str, Any]:
    """Measure one way in a process of its own."""
    done = subprocess.run([sys.executable, *sys.argv, "--way", way], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def difference(one: list[int], other: list[int]) -> int:
    return int(np.abs(np.array(one) - np.array(other)).max())


# -- In a process of its own


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Enlarge the picture once, after a small one that warms the session up."""
    from PIL import Image

    from henshin.models import ModelStore
    from henshin.runtime import resolve_device

    found = ModelStore().find(options.model, scale=options.scale)
    device = resolve_device(options.device)
    way = options.way
    tile = int(way.rsplit(" ", 1)[1]) if "tile" in way else None
    draw = by_henshin(found, device, tile) if way.startswith("henshin") else by_hand(found, device, way == "whole")
    with Image.open(options.picture) as image:
        picture = np.asarray(image.convert("RGB").resize(tuple(options.size), Image.Resampling.BICUBIC))
    draw(picture[:32, :32])
    cpu, start = time.process_time(), time.perf_counter()
    result = draw(picture)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "probe": result[::7, ::7].ravel().tolist()}


def by_henshin(found: Any, device: Any, tile: int | None) -> Callable[[Any], Any]:
    from henshin.runtime import Model, OnnxSession

    model = Model(found.contract, OnnxSession(found.path, device), tile=tile)
    return lambda picture: model.translate([picture])[0]


def by_hand(found: Any, device: Any, whole: bool) -> Callable[[Any], Any]:
    """What one writes down first: ONNX Runtime's defaults, the whole picture or tiles with a margin around them."""
    import onnxruntime

    providers = ["CPUExecutionProvider"] if device.kind == "cpu" else ["CUDAExecutionProvider"]
    session = onnxruntime.InferenceSession(str(found.path), providers=providers)
    name, scale, reach = session.get_inputs()[0].name, found.contract.scale, int(found.contract.reach)
    step = NAIVE - 2 * reach

    def tiled(picture: Any) -> Any:
        height, width = picture.shape[:2]
        result = np.empty((height * scale, width * scale, 3), np.uint8)
        for y in range(0, height, step):
            for x in range(0, width, step):
                top, left = max(0, y - reach), max(0, x - reach)
                cut = picture[top : y + step + reach, left : x + step + reach]
                drawn = session.run(None, {name: cut[None]})[0][0]
                kept = drawn[
                    (y - top) * scale : (y - top + step) * scale, (x - left) * scale : (x - left + step) * scale
                ]
                result[y * scale : (y + step) * scale, x * scale : (x + step) * scale] = kept
        return result

    return (lambda picture: session.run(None, {name: picture[None]})[0][0]) if whole else tiled


if __name__ == "__main__":
    main()

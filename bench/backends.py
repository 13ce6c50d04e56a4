"""ONNX Runtime and OpenVINO on one core: CPU milliseconds a picture, and how far apart they draw. See README.md.

    python bench/backends.py [--size 128 256] [--seconds 2] [--agreement] [--no-torch] [--json FILE]

All contestants take turns in one process, which keeps to one core.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TIMED = {"selfie2anime": None, "carn-m-x2": 128, "photo2monet": None}
"""The models that are timed, and their only size; None: each size of --size."""

Run = Callable[[], Any]


def main() -> None:
    options = parse()
    one_core()
    devices = available()
    print(
        f"{platform.machine()}, one of {os.cpu_count()} CPUs, Python {platform.python_version()}, {', '.join(devices)}"
    )
    found: dict[str, Any] = {"times": times(options, devices)}
    if options.agreement:
        found["agreement"] = agreement(devices)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=[128, 256], help="sides (default: 128 256)")
    parser.add_argument("--seconds", type=float, default=2, help="for each contestant and row (default: %(default)s)")
    parser.add_argument("--agreement", action="store_true", help="compare the results of all packaged models as well")
    parser.add_argument("--no-torch", action="store_true", help="leave out ResNet-9, which PyTorch makes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def one_core() -> None:
    """Keep the process to one core, before any library counts them."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def available() -> dict[str, Any]:
    """The devices by their names; the first is that to which the others are compared."""
    from henshin.errors import MissingError
    from henshin.runtime import Device, resolve_device

    devices: dict[str, Any] = {"onnxruntime": Device("cpu")}
    for wanted in ("openvino:fp32", "openvino:bf16"):
        try:
            devices[wanted] = resolve_device(wanted)
        except MissingError as error:
            print(f"without {wanted}: {error}")
    return devices


# -- Times


def times(options: argparse.Namespace, devices: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    print(f"\n{'CPU ms a picture':<24}{''.join(f'{name:>20}' for name in devices)}")
    for name, only in TIMED.items():
        for size in [only] if only else options.size:
            runs = {device: network(ROOT / "exported" / f"{name}.onnx", size, devices[device]) for device in devices}
            rows.append(row(f"{name} {size} px", runs, options.seconds))
    if not options.no_torch:
        with tempfile.TemporaryDirectory(prefix="henshin-bench-") as folder:
            rows += resnet(Path(folder), max(options.size), devices, options.seconds)
    return rows


def row(name: str, runs: dict[str, Run], seconds: float) -> dict[str, Any]:
    """Print and return the medians of all contestants, which run in turns, and their distance from the first."""
    results = {contestant: run() for contestant, run in runs.items()}
    taken: dict[str, list[float]] = {contestant: [] for contestant in runs}
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end or len(taken[next(iter(runs))]) < 3:
        for contestant, run in runs.items():
            start = time.process_time()
            run()
            taken[contestant].append((time.process_time() - start) * 1000)
    first = next(iter(runs))
    middle = {contestant: median(found) for contestant, found in taken.items()}
    words = [f"{middle[one]:.1f} ({middle[first] / middle[one]:.2f}x)" for one in runs]
    print(f"{name:<24}{''.join(f'{word:>20}' for word in words)}")
    distances = {one: distance(results[first], results[one]) for one in runs if one != first}
    return {"what": name, "milliseconds": middle, "distance": distances}


def network(path: Path, size: int, device: Any) -> Run:
    """A network on a photo of this side."""
    from henshin.runtime import open_session

    session = open_session(path, device, gives_pictures=True)
    batch = photos(1, size)
    return lambda: session.run({session.inputs[0].name: batch})[session.outputs[0].name]


def photos(count: int, size: int) -> Any:
    """The middle squares of the photos in examples/, (count, size, size, 3)."""
    files = sorted((ROOT / "examples").glob("*.jpg"))
    found = []
    for number in range(count):
        photo = Image.open(files[number % len(files)]).convert("RGB")
        side = min(photo.size)
        left, top = ((length - side) // 2 for length in photo.size)
        box = (left, top, left + side, top + side)
        found.append(np.asarray(photo.resize((size, size), Image.Resampling.LANCZOS, box)))
    return np.stack(found)


def distance(one: Any, other: Any) -> dict[str, float]:
    """PSNR in dB and the largest difference in grey levels; of numbers, the largest share of the largest one."""
    difference = one.astype(np.float64) - other
    if one.dtype != np.uint8:
        return {"largest share": float(np.abs(difference).max() / np.abs(one).max())}
    error = float(np.mean(difference**2))
    psnr = 10 * math.log10(255**2 / error) if error else math.inf
    return {"psnr": round(psnr, 1), "levels": int(np.abs(difference).max())}


def resnet(folder: Path, size: int, devices: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    """CycleGAN's generator of 9 blocks with random weights, by PyTorch in bf16 with channels last as well."""
    try:
        import torch
    except ImportError:
        print("without ResNet-9: PyTorch is not installed")
        return []
    from henshin.registry import build_registry
    from henshin.train.export import export
    from henshin.train.weights.trained_network import TrainedNetwork

    torch.set_num_threads(1)
    torch.manual_seed(0)
    cls = build_registry().generator("resnet")
    generator = cls(cls.Config(blocks=9))
    net: Any = generator.build()
    path = folder / "resnet-9.onnx"
    export(TrainedNetwork(generator, net, 256, "random", "none", "CC0-1.0"), path, list(photos(2, 64)))
    fast = net.eval().to(torch.bfloat16, memory_format=torch.channels_last)

    @torch.inference_mode()
    def by_torch() -> Any:
        x = torch.from_numpy(photo).permute(0, 3, 1, 2).to(torch.bfloat16).div(127.5).sub(1)
        y = fast(x.contiguous(memory_format=torch.channels_last)).float()
        return y.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()

    photo = photos(1, size)
    print(f"{'CPU ms a picture':<24}{'torch bf16':>20}{''.join(f'{name:>20}' for name in devices)}")
    runs = {"torch bf16": by_torch, **{name: network(path, size, device) for name, device in devices.items()}}
    return [row(f"ResNet-9 {size} px", runs, seconds)]


# -- Agreement


def agreement(devices: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare all packaged models with ONNX Runtime, on photos of 128 px or on noise, in batches of 2."""
    rows = []
    print(f"\n{'distance from ONNX Runtime':<32}{''.join(f'{name:>28}' for name in list(devices)[1:])}")
    styles = np.zeros((2, 1, 1), np.float32)
    for path in sorted((ROOT / "exported").glob("*.onnx")):
        results = {name: raw(path, device, styles) for name, device in devices.items()}
        first = results["onnxruntime"]
        if "mapping" in path.stem:
            styles = first
        distances = {name: distance(first, found) for name, found in results.items() if name != "onnxruntime"}
        words = [", ".join(f"{key} {value:.3g}" for key, value in one.items()) for one in distances.values()]
        print(f"{path.stem:<32}{''.join(f'{word:>28}' for word in words)}")
        rows.append({"what": path.stem, "distance": distances})
    return rows


def raw(path: Path, device: Any, styles: Any) -> Any:
    from henshin.models import read_contract
    from henshin.runtime import open_session

    contract = read_contract(path)
    assert contract is not None
    session = open_session(path, device, gives_pictures=contract.gives_pictures)
    if contract.kind == "synthesis":
        batch = styles
    elif contract.takes_pictures:
        batch = photos(2, 128 if contract.kind == "translator" else contract.preferred_size or 64)
    else:
        assert contract.latent_shape is not None
        batch = np.random.default_rng(0).standard_normal((2, *contract.latent_shape)).astype(np.float32)
    return session.run({session.inputs[0].name: batch})[contract.output or session.outputs[0].name]


if __name__ == "__main__":
    main()

"""All that runs on a GPU, in ten minutes: a bare loop in each form, the main job, training. See README.md.

    python bench/gpu.py [--device cuda] [--minutes 10] [--quick] [--only loop job train] [--json FILE]

Each line is a process of its own with a limit of time. Without a GPU it ends with exit code 2; `--device cpu --quick`
goes the same ways at a tiny size.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

LOOPS = ["plain", "bound", "bound fp16", "bound graphs", "bound fp16 graphs", "tensorrt", "tensorrt fp16"]
"""Forms of a loop: `plain` is `session.run` on arrays, `bound` binds buffers on the device and keeps them."""

TRAININGS = ["fp32 eager", "fp32 compiled", "bf16 eager", "bf16 compiled"]

TRAINING = """\
recipe: cyclegan
generator: {{use: resnet, width: {width}, blocks: {blocks}}}
data: {{a: photos, b: photos, size: {size}, hold_out: 0, duplicates: ignore}}
discriminator_width: {width}
batch: {batch}
steps: 100000
sheet_every: 100000
"""


def main() -> int:
    options = parse()
    if options.turn:
        print(json.dumps(TURNS[options.turn](options, Path(options.folder))))
        return 0
    problem = device_problem(options.device)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{machine(options.device)}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    end = time.monotonic() + options.minutes * 60
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="henshin-bench-") as name:
        make_photos(Path(name) / "photos", 4 if options.quick else 200, 128 if options.quick else 1024)
        for part, way in ways(options):
            rows.append(turn(options, part, way, Path(name), end))
            print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(options.device), "rows": rows}, indent=1) + "\n")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="for everything (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all of it runs")
    parser.add_argument("--only", nargs="+", choices=list(TURNS), default=list(TURNS), help="parts to run")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--turn", choices=list(TURNS), help=argparse.SUPPRESS)
    parser.add_argument("--way", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def ways(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The parts and, in each, the ways to do the same work."""
    jobs = {"loop": LOOPS, "job": ["fp32", "fp16"], "train": TRAININGS}
    return [(part, way) for part in options.only for way in jobs[part]]


def device_problem(device: str) -> str | None:
    """Why nothing can be measured, in one line, or None."""
    from henshin.errors import HenshinError
    from henshin.runtime import resolve_device

    try:
        resolve_device(device)
    except HenshinError as error:
        return f"bench/gpu.py: {error}; --device cpu --quick shows that it runs"
    return None


def machine(device: str) -> str:
    """The name of the GPU with its driver, or of the processor."""
    from henshin.runtime import resolve_device

    chosen = resolve_device(device)
    if not chosen.is_gpu or shutil.which("nvidia-smi") is None:
        return platform.machine()
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", f"--id={chosen.index}"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or platform.machine()


def make_photos(folder: Path, count: int, side: int) -> None:
    """Copies of the photos in examples/, each with a face of its own size and place in the record."""
    from PIL import Image

    folder.mkdir()
    photos = [Image.open(file).convert("RGB") for file in sorted((ROOT / "examples").glob("*.jpg"))]
    for number in range(count):
        photo = photos[number % len(photos)].copy()
        photo.thumbnail((side - number % 7, side - number % 7))
        photo.save(folder / f"{number:04d}.jpg", quality=95)


def turn(options: argparse.Namespace, part: str, way: str, folder: Path, end: float) -> dict[str, Any]:
    """One line of the table, from a process of its own; `missing` says why there is no figure."""
    left = end - time.monotonic()
    row: dict[str, Any] = {"part": part, "way": way}
    if left < 5:
        return {**row, "missing": f"no time was left of {options.minutes:g} minutes"}
    words = [
        sys.executable,
        __file__,
        "--turn",
        part,
        "--way",
        way,
        "--folder",
        str(folder),
        "--device",
        options.device,
    ]
    limit = min(left, 240)  # TensorRT builds an engine for minutes
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {**row, "missing": f"it took more than {limit:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed without a word"]
        return {**row, "missing": lines[-1].partition(": ")[2] or lines[-1]}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


def line(row: dict[str, Any]) -> str:
    """A line of the table."""
    if "missing" in row:
        return f"{row['part']:<6}{row['way']:<20} missing: {row['missing']}"
    figures = [f"{value:.4g} {name}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()]
    return f"{row['part']:<6}{row['way']:<20} {', '.join(figures[2:])}"


# -- The turns, each in a process of its own


def loop(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Batches of arrays that are at hand through `selfie2anime`: pictures/s, and the distance from fp32 on the CPU."""
    import numpy as np

    from henshin.runtime import Device, OnnxSession

    path = ROOT / "exported" / "selfie2anime.onnx"
    side, count, seconds = (64, 2, 0.2) if options.quick else (256, 16, 5.0)
    batch = squares(folder / "photos", count, side)
    session = open_way(path, options)
    feed = {session.inputs[0].name: batch}
    for _ in range(3):  # kernels are chosen, graphs recorded, engines built
        (found,) = session.run(feed).values()
    runs, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session.run(feed)
        runs += 1
    rate = runs * count / (time.perf_counter() - start)
    (exact,) = OnnxSession(path, Device("cpu")).run({session.inputs[0].name: batch[:1]}).values()
    difference = exact[0].astype(float) - found[0]
    error = float(np.mean(difference**2))
    psnr = 10 * math.log10(255**2 / error) if error else math.inf
    levels = int(np.abs(difference).max())
    return {"pictures/s": rate, "dB from fp32 on the CPU": psnr, "levels": levels, "provider": session.provider}


def open_way(path: Path, options: argparse.Namespace) -> Any:
    """The model, opened as one of LOOPS says."""
    from henshin.errors import MissingError
    from henshin.runtime import OnnxSession, resolve_device
    from henshin.runtime.bound_session import BoundSession

    words = options.way.split()
    base = resolve_device(options.device)
    if words[0] == "plain":
        return OnnxSession(path, base)
    if not base.is_gpu and ("graphs" in words or words[0] == "tensorrt"):
        raise MissingError(f"'{options.way}' needs a GPU")
    precision = ["fp16"] if "fp16" in words else []
    if not base.is_gpu:
        from dataclasses import replace

        return BoundSession(path, replace(base, precision="fp16" if precision else "fp32"))
    kind = "tensorrt" if words[0] == "tensorrt" else "cuda"
    graphs = ["graphs"] if "graphs" in words else []
    return BoundSession(path, resolve_device(":".join([kind, str(base.index), *precision, *graphs])))


def squares(folder: Path, count: int, side: int) -> Any:
    import numpy as np
    from PIL import Image

    files = sorted(folder.iterdir())
    found = [Image.open(files[number % len(files)]).resize((side, side)) for number in range(count)]
    return np.stack([np.asarray(photo.convert("RGB")) for photo in found])


def job(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """`selfie2anime` from folder to folder, the start of the stages included."""
    from henshin.engine import RunOptions, RunRequest, run
    from henshin.engine.report.summary import NullReporter
    from henshin.models import ModelStore
    from henshin.pipeline import load
    from henshin.registry import build_registry
    from henshin.runtime import resolve_device

    on_gpu = resolve_device(options.device).is_gpu
    if options.way == "fp16" and not on_gpu:
        raise SystemExit("bench: 'fp16' needs a GPU")
    registry, store = build_registry(), ModelStore()
    device = f"{options.device}:{options.way}" if options.way == "fp16" else options.device
    pipeline = load("selfie2anime", registry, store, [])
    with tempfile.TemporaryDirectory(dir=folder) as output:
        request = RunRequest(pipeline, [str(folder / "photos")], output, RunOptions(device=device), store, registry)
        summary = run(request, NullReporter())
    if summary.failures:
        raise SystemExit(f"bench: {len(summary.failures)} photos failed, the first: {summary.failures[0].reason}")
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in summary.stages.items())
    return {"photos/s": summary.rate, "faces": summary.faces, "stages": stages}


def train(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """CycleGAN by `henshin train`: seconds of a step after the first ones."""
    from henshin.registry import build_registry
    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import train as start

    precision, how = options.way.split()
    if how == "compiled" and options.device == "cpu":
        raise SystemExit("bench: on a CPU the first steps take minutes to compile")
    warm_up, steps = (1, 3) if options.quick else (10, 60)
    size = {"width": 4, "blocks": 1, "size": 32, "batch": 1} if options.quick else {}
    size = size or {"width": 64, "blocks": 9, "size": 256, "batch": 4}
    registry = build_registry()
    (folder / "run.yaml").write_text(TRAINING.format(**size))
    asked = TrainOptions(
        device=options.device,
        precision=precision,
        compile=how == "compiled",
        max_steps=warm_up + steps,
        log_every=1,
    )
    with tempfile.TemporaryDirectory(dir=folder) as name:
        start(load_run(folder / "run.yaml", registry), Path(name) / "run", registry, asked, lambda _: None)
        lines = (Path(name) / "run" / "log.jsonl").read_text().splitlines()
    times = [json.loads(text)["time"] for text in lines]
    seconds = (times[-1] - times[warm_up - 1]) / steps
    return {"ms a step": 1000 * seconds, "pictures/s": size["batch"] / seconds}


TURNS = {"loop": loop, "job": job, "train": train}


if __name__ == "__main__":
    sys.exit(main())

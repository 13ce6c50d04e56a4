"""How fast henshin is, side by side with the least that could do the same work. See README.md in this folder.

    python bench/run.py [--model NAME] [--pipeline NAME] [--pictures FOLDER] [--repeats 3] [--count 24] ...

Every measured thing runs in a process of its own; what is compared runs in turns, and medians are printed.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

PIPELINE = """\
name: bench-generator
stages:
  - use: generator
    model: {model}
"""

BARE = """\
import json, sys, time
import numpy as np
import onnxruntime
from PIL import Image
onnxruntime.set_default_logger_severity(3)
model, device, files = sys.argv[1], sys.argv[2], sys.argv[3:]
pictures = [np.asarray(Image.open(file).convert("RGB"))[None] for file in files]
kind, _, index = device.partition(":")
if kind == "cuda":
    onnxruntime.preload_dlls()
    providers = [("CUDAExecutionProvider", {"device_id": int(index or 0)})]
else:
    providers = ["CPUExecutionProvider"]
session = onnxruntime.InferenceSession(model, providers=providers)
name = session.get_inputs()[0].name
session.run(None, {name: pictures[0]})
start = time.perf_counter()
for picture in pictures:
    session.run(None, {name: picture})
print(json.dumps({"seconds": time.perf_counter() - start, "provider": session.get_providers()[0]}))
"""


@dataclass
class Result:
    """What one process took: wall-clock seconds, seconds to its first output, peak resident MiB, its own summary."""

    seconds: float
    first: float | None
    peak: float
    summary: dict[str, Any]


def main() -> None:
    options = parse()
    sources = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not sources:
        sys.exit(f"no pictures in {options.pictures}")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, device {options.device}")
    print(f"{len(sources)} source pictures from {options.pictures}\n")
    with tempfile.TemporaryDirectory(prefix="henshin-bench-") as name:
        work = Path(name)
        parts: dict[str, Callable[[argparse.Namespace, list[Path], Path], None]] = {
            "throughput": throughput,
            "stages": stages,
            "memory": memory,
        }
        for part in options.only or list(parts):
            parts[part](options, sources, work)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="selfie2anime", help="the model of the comparison (default: %(default)s)")
    parser.add_argument("--pipeline", default="selfie2anime", help="the pipeline taken apart (default: %(default)s)")
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples", help="photos to work on")
    parser.add_argument("--count", type=int, default=96, help="pictures in each turn (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="their side in pixels (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    parser.add_argument("--memory", type=int, nargs="+", default=[50, 500], help="numbers of pictures to compare")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=["throughput", "stages", "memory"], help="parts to run")
    return parser.parse_args()


# -- The three measurements


def throughput(options: argparse.Namespace, sources: list[Path], work: Path) -> None:
    """Folder to folder against a bare loop over decoded arrays."""
    folder = make_squares(sources, work / "squares", options.count, options.size)
    files = sorted(str(path) for path in folder.iterdir())
    pipeline = work / "generator.yaml"
    pipeline.write_text(PIPELINE.format(model=options.model))
    model = model_path(options.model)
    bare, inner, outer = [], [], []
    for turn in range(options.repeats):
        words = [sys.executable, "-c", BARE, str(model), options.device, *files]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        loop = json.loads(said.splitlines()[-1])  # ONNX Runtime prints there too, where CUDA does not open
        check_providers({loop["provider"]}, options.device)
        result = run(str(pipeline), folder, work / f"throughput-{turn}", options.device)
        bare.append(options.count / loop["seconds"])
        check_providers({names[0] for names in result.summary["providers"].values()}, options.device)
        # The loop's clock starts when its model is loaded and warm, so loading does not count here either.
        inner.append(options.count / (result.summary["seconds"] - sum(result.summary["opening"].values())))
        outer.append(options.count / result.seconds)
    print(f"Throughput, {options.count} files of {options.size} px, {options.model}, median of {options.repeats} turns")
    line("bare session.run loop, decoded arrays", bare)
    line("run-pipeline, folder to folder, opened", inner, median(inner) / median(bare))
    line("  with opening and process start", outer, median(outer) / median(bare))
    print()


def check_providers(found: set[str], device: str) -> None:
    """End unless all ran where it was asked: a loop that fell back to the CPU would make henshin look fast."""
    wanted = "CUDAExecutionProvider" if device.startswith("cuda") else "CPUExecutionProvider"
    if found != {wanted}:
        sys.exit(f"--device {device} was asked for, but {', '.join(sorted(found)) or 'nothing'} ran")


def stages(options: argparse.Namespace, sources: list[Path], work: Path) -> None:
    """Where the time of a pipeline goes, and how long the first picture takes."""
    folder = make_copies(sources, work / "photos", max(len(sources), 8))
    outputs = [work / f"stages-{turn}" for turn in range(options.repeats)]
    results = [run(options.pipeline, folder, output, options.device) for output in outputs]
    names = list(results[0].summary["stages"])
    spent = {name: median(result.summary["stages"][name] for result in results) for name in names}
    total = sum(spent.values())
    number = sum(1 for _ in folder.iterdir())
    faces = results[0].summary["faces"]
    print(f"Stages of {options.pipeline}, {number} photos, {faces} faces, median of {options.repeats} turns")
    for name, seconds in spent.items():
        print(f"  {name:<24} {seconds:8.2f} s  {100 * seconds / max(total, 1e-9):5.1f} %")
    seconds = median(result.summary["seconds"] for result in results)
    print(f"  all stages               {total:8.2f} s of {seconds:.2f} s; {number / seconds:.2f} photos/s")
    print(f"  first picture written    {median(result.first or 0 for result in results):8.2f} s after the start\n")


def memory(options: argparse.Namespace, sources: list[Path], work: Path) -> None:
    """Whether memory grows with the number of pictures."""
    print(f"Peak memory of {options.pipeline}")
    for number in options.memory:
        folder = make_copies(sources, work / f"memory-{number}", number)
        result = run(options.pipeline, folder, work / f"memory-{number}-out", options.device)
        print(f"  {number:>5} pictures  {result.peak:8.0f} MiB  {result.seconds:8.1f} s")
    print()


# -- How a thing is measured


def run(pipeline: str, inputs: Path, output: Path, device: str) -> Result:
    """Run a pipeline in a process of its own and watch it."""
    code = "import sys; from henshin.cli import run_pipeline; sys.exit(run_pipeline())"
    words = [sys.executable, "-c", code, pipeline, "-i", str(inputs), "-o", str(output), "--device", device, "--json"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, stderr=errors)
        first, peak, status = watch(process.pid, output, start)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode not in (0, 1):
            sys.exit(f"run-pipeline ended with {process.returncode}:\n{errors.read()}")
        return Result(seconds, first, peak, json.load(out))


def watch(pid: int, output: Path, start: float) -> tuple[float | None, float, int]:
    """Wait for a process; seconds to the first picture in its output folder, peak MiB, wait status."""
    first = None
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if first is None and any(visible_files(output)):
            first = time.perf_counter() - start
        if done:
            # ru_maxrss counts KiB on Linux and bytes on macOS.
            return first, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2), status
        time.sleep(0.005 if first is None else 0.05)


def visible_files(folder: Path) -> Iterator[Path]:
    """The finished pictures of a folder: the record and files that are still being written have hidden names."""
    if folder.is_dir():
        yield from (path for path in folder.rglob("*.*") if path.suffix.lower() in SUFFIXES and path.name[0] != ".")


def model_path(name: str) -> Path:
    from henshin.models import ModelStore

    return ModelStore().find(name).path


def make_squares(sources: list[Path], folder: Path, number: int, side: int) -> Path:
    """Write square JPEG files cut from the sources, each a little different."""
    from PIL import Image, ImageOps

    folder.mkdir()
    for index in range(number):
        with Image.open(sources[index % len(sources)]) as picture:
            centre = (0.3 + 0.4 * (index * 0.37 % 1), 0.3 + 0.4 * (index * 0.61 % 1))
            ImageOps.fit(picture.convert("RGB"), (side, side), centering=centre).save(
                folder / f"{index:04d}.jpg", quality=92
            )
    return folder


def make_copies(sources: list[Path], folder: Path, number: int) -> Path:
    folder.mkdir()
    for index in range(number):
        source = sources[index % len(sources)]
        (folder / f"{index:04d}{source.suffix.lower()}").write_bytes(source.read_bytes())
    return folder


def line(words: str, values: list[float], share: float | None = None) -> None:
    spread = f"{min(values):.2f} to {max(values):.2f}"
    print(f"  {words:<40} {median(values):8.2f} pictures/s  ({spread}){'' if share is None else f'   {share:.2f}x'}")


if __name__ == "__main__":
    main()

"""henshin against the scripts that one would write instead, folder to folder. See README.md in this folder.

    python bench/compare.py [--portraits FOLDER] [--yunet FILE] [--count 60] [--repeats 3] [--json FILE] [--only ...]

Every turn is a process of its own, its start included; what is compared runs in turns, and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from run import ROOT, SUFFIXES, make_squares, model_path  # noqa: E402

GENERATOR = "name: bench-tiny\nstages:\n  - use: generator\n    model: {model}\n"


@dataclass
class Turn:
    """One process: wall-clock and CPU seconds, peak resident MiB, and what it printed."""

    seconds: float
    cpu: float
    peak: float
    said: str


@dataclass
class Row:
    """The medians of one contestant over all turns; `ratio` is its pictures/s over those of the script."""

    name: str
    pictures_per_second: float
    milliseconds: float
    cpu_milliseconds: float
    peak: float
    ratio: float | None = None


def main() -> None:
    options = parse()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="henshin-bench-") as name:
        for part in options.only:
            found[part] = PARTS[part](options, Path(name))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--portraits", type=Path, default=ROOT / "examples", help="photos of people (default: examples)"
    )
    parser.add_argument("--yunet", type=Path, help="YuNet's .onnx, for the script (default: henshin models pull yunet)")
    parser.add_argument("--script-python", default=sys.executable, help="a Python that has OpenCV and ONNX Runtime")
    parser.add_argument("--count", type=int, default=60, help="pictures in each turn (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to run")
    return parser.parse_args()


# -- What is compared


def portraits(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """selfie2anime on portraits of 1024 px against the script with OpenCV."""
    folder = make_portraits(options.portraits, work / "portraits", options.count)
    yunet, model = options.yunet or model_file("yunet"), model_path("selfie2anime")
    script = [options.script_python, str(HERE / "plain_script.py"), str(model), str(yunet), "128", str(folder)]
    turns = take_turns(
        options, work, {"plain script (OpenCV)": script, "run-pipeline": henshin("selfie2anime", folder)}
    )
    rows = table("selfie2anime, portraits of 1024 px", turns, options.count)
    summaries = [json.loads(turn.said) for turn in turns["run-pipeline"]]
    spent = {name: median(one["stages"][name] for one in summaries) for name in summaries[0]["stages"]}
    total = max(sum(spent.values()), 1e-9)
    for stage, seconds in spent.items():
        print(f"  {stage:<24} {1000 * seconds / options.count:7.1f} ms  {100 * seconds / total:5.1f} %")
    print(f"  faces: script {turns['plain script (OpenCV)'][0].said.strip()}, henshin {summaries[0]['faces']}\n")
    return {"rows": rows, "stages": spent, "faces": summaries[0]["faces"]}


def tiny(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """A network of two small layers on 512 px against a loop of decoding, running and encoding: codecs and overhead."""
    folder = make_squares(sources(options.portraits), work / "tiny", 4 * options.count, 512)
    model, pipeline = tiny_model(work / "tiny.onnx"), work / "tiny.yaml"
    pipeline.write_text(GENERATOR.format(model=model))
    script = [options.script_python, str(HERE / "plain_loop.py"), str(model), str(folder)]
    turns = take_turns(options, work, {"plain loop (Pillow)": script, "run-pipeline": henshin(str(pipeline), folder)})
    return {"rows": table("a tiny network, 512 px", turns, 4 * options.count)}


PARTS: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {"portraits": portraits, "tiny": tiny}


# -- How it is measured


def take_turns(options: argparse.Namespace, work: Path, words: dict[str, list[str]]) -> dict[str, list[Turn]]:
    """Run the contestants alternately; each command gets a new output folder as its last word."""
    turns: dict[str, list[Turn]] = {name: [] for name in words}
    for number in range(options.repeats):
        for place, (name, command) in enumerate(words.items()):
            output = work / f"{os.urandom(4).hex()}-{number}-{place}"
            output.mkdir()
            turns[name].append(measured([*command, str(output)]))
    return turns


def measured(words: list[str]) -> Turn:
    """Run a command to its end. It ends the benchmark when it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(words[:3])} ended with {process.returncode}:\n{errors.read()}")
        return Turn(seconds, usage.ru_utime + usage.ru_stime, peak_of(usage), out.read())


def peak_of(usage: resource.struct_rusage) -> float:
    """Peak resident MiB; ru_maxrss counts KiB on Linux and bytes on macOS."""
    return usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def table(title: str, turns: dict[str, list[Turn]], count: int) -> list[dict[str, Any]]:
    """Print and return a row for each contestant, the script first."""
    rows: list[Row] = []
    for name, all_turns in turns.items():
        seconds, cpu = (median(values) for values in zip(*((t.seconds, t.cpu) for t in all_turns), strict=True))
        peak = median(turn.peak for turn in all_turns)
        rows.append(Row(name, count / seconds, 1000 * seconds / count, 1000 * cpu / count, peak))
    print(f"{title}; {count} files, median of {len(all_turns)} turns, start of the process included")
    for row in rows:
        row.ratio = row.pictures_per_second / rows[0].pictures_per_second
        print(
            f"  {row.name:<24} {row.milliseconds:7.1f} ms a picture  {row.cpu_milliseconds:7.1f} ms CPU  "
            f"{row.peak:6.0f} MiB  {row.ratio:5.2f}x"
        )
    print()
    return [asdict(row) for row in rows]


def henshin(pipeline: str, folder: Path) -> list[str]:
    code = "import sys; from henshin.cli import run_pipeline; sys.exit(run_pipeline())"
    return [sys.executable, "-c", code, pipeline, "-i", str(folder), "--device", "cpu", "--json", "-o"]


# -- Pictures and networks


def sources(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return found or sys.exit(f"no pictures in {folder}")


def make_portraits(folder: Path, target: Path, number: int) -> Path:
    """Write portraits of 1024 px: each photo mirrored, and cut a little tighter, in turn."""
    from PIL import Image, ImageOps

    target.mkdir()
    photos = sources(folder)
    for index in range(number):
        turn = index // len(photos)
        with Image.open(photos[index % len(photos)]) as photo:
            picture = ImageOps.exif_transpose(photo).convert("RGB")
        border = 0.03 * (turn // 2) * min(picture.size)
        picture = ImageOps.fit(ImageOps.crop(picture, round(border)), (1024, 1024), centering=(0.5, 0.3))
        (ImageOps.mirror(picture) if turn % 2 else picture).save(target / f"{index:04d}.jpg", quality=92)
    return target


def model_file(name: str) -> Path:
    """Return the file of a network in the list of models. It ends the benchmark when it is not there."""
    from henshin.errors import HenshinError
    from henshin.models import ModelStore

    try:
        return ModelStore().file(name)
    except HenshinError as error:
        sys.exit(str(error))


def tiny_model(path: Path) -> Path:
    """Write a translator of two convolutions of 3x3, 8 channels between them, that changes the colours a little."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32)
    second = rng.normal(0, 0.2, (3, 8, 3, 3)).astype(np.float32)
    constants = {"first": first, "second": second, "low": np.float32(0), "high": np.float32(255)}
    nodes = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["hidden"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Conv", ["active", "second"], ["change"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["change", "low", "high"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Transpose", ["rounded"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["rows"], ["drawings"], to=TensorProto.UINT8),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("pictures", "drawings")
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [ports[0]], [ports[1]], tensors),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    helper.set_model_props(model, {"henshin": json.dumps({"contract_version": 1, "kind": "translator", "reach": 2})})
    onnx.save(model, path)
    return path


if __name__ == "__main__":
    main()

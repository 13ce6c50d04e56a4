"""How many faces `face_detect` finds, how well and how fast, in photos with known faces. See README.md in this folder.

    python bench/detect.py --faces FOLDER... --photos FOLDER... [--config NAME[@REF][:OPTION=VALUE,...]]...

Configurations are compared side by side, each in a process of its own, on one core; with @REF it is the code of that
commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the folder of the package `detection`

from detection import scenes
from detection.figures import HEADER, Figures, line, measured
from detection.sources import References, Source, files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
QUALITY = 92
LARGE = 700
"""Sources of so many pixels a side are photos themselves: the portraits."""


@dataclass(frozen=True)
class Configuration:
    """Options of `face_detect`, of the code of a commit, or of this checkout."""

    name: str
    ref: str | None
    options: dict[str, str]


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="henshin-detect-") as name:
        folder = Path(name)
        made = make_scenes(options)
        for number, scene in enumerate(made):
            (folder / "scenes").mkdir(exist_ok=True)
            Image.fromarray(scene.picture).save(folder / "scenes" / f"{number:04}.jpg", quality=QUALITY)
            scene.picture = None
        if options.keep:
            keep(folder / "scenes", options.keep)
        found = {config.name: run(config, folder, options.repeats) for config in options.config}
    report(made, found, options.output)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, nargs="+", required=True, help="folders of photos with one face each")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of photos to paste them into")
    parser.add_argument(
        "--config",
        type=configuration,
        action="append",
        metavar="NAME[@REF][:OPTION=VALUE,...]",
        help="options of face_detect, at times of another commit (default: now)",
    )
    parser.add_argument("--yunet", default=None, help="YuNet's .onnx, or its name: it takes part in the reference")
    parser.add_argument("--reference", type=Path, default=Path("faces-reference.json"), help="default: %(default)s")
    parser.add_argument("--count", type=int, default=8, help="photos of each group (default: %(default)s)")
    parser.add_argument("--sources", type=int, default=60, help="faces from each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of places and sizes (default: %(default)s)")
    parser.add_argument("--only", default="", help="only the groups whose names begin so, such as 'portraits'")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each photo; the fastest counts")
    parser.add_argument("--keep", type=Path, help="a folder for the photos that were made")
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()
    options.config = options.config or [configuration("now")]
    for folder in (*options.faces, *options.photos):
        if not folder.is_dir():
            sys.exit(f"{folder}: is no folder")
    return options


def configuration(text: str) -> Configuration:
    """Return what NAME[@REF][:OPTION=VALUE,...] says. Errors: ArgumentTypeError."""
    head, _, tail = text.partition(":")
    name, _, ref = head.partition("@")
    pairs = [pair.partition("=") for pair in tail.split(",") if pair]
    if not name or not all(equals and key for key, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"'{text}': must be NAME[@REF][:OPTION=VALUE,...]")
    return Configuration(name, ref or None, {key: value for key, _, value in pairs})


def make_scenes(options: argparse.Namespace) -> list[scenes.Scene]:
    """Return the scenes of all groups; the same for the same seed and folders."""
    references = References(options.reference, options.yunet)
    rng = np.random.default_rng(options.seed)
    sources: list[Source] = []
    for folder in options.faces:
        sources += references.sources(files([folder]), options.sources, rng)
    photos = references.empty(files(options.photos), 4 * options.sources, rng)
    references.save()
    if not sources or not photos:
        sys.exit("--faces must hold photos with one clear face each, and --photos some without any")
    print(f"{len(sources)} faces, {len(photos)} photos without one")
    made = []
    large = [source for source in sources if min(size_of(source.path)) >= LARGE]
    for number in range(2 * options.count if large and scenes.PORTRAITS.startswith(options.only) else 0):
        made.append(scenes.portrait(large[number % len(large)], np.random.default_rng([options.seed, 0, number])))
    for kind, group in enumerate(scenes.GROUPS):
        for number in range(options.count if group.name.startswith(options.only) else 0):
            rng = np.random.default_rng([options.seed, kind + 1, number])
            made.append(scenes.make(group, sources, photos, rng))
    if not made:
        sys.exit(f"--only {options.only}: no group has such a name")
    return made


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def keep(folder: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())


def run(config: Configuration, folder: Path, repeats: int) -> list[Any]:
    """Return what a configuration finds in each scene, and the milliseconds."""
    code = ROOT
    if config.ref:
        code = folder / f"code-{config.name}"
        code.mkdir()
        words = ["git", "-C", str(ROOT), "archive", config.ref, "core", "plugins"]
        archive = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        if archive.returncode:
            sys.exit(f"--config {config.name}: git knows no commit '{config.ref}'")
        subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    result = folder / f"{config.name}.json"
    environment = {**os.environ, "PYTHONPATH": f"{code / 'core'}{os.pathsep}{code / 'plugins'}"}
    words = [sys.executable, str(HERE / "detection" / "worker.py"), str(folder / "scenes")]
    words += [json.dumps(config.options), str(result), str(repeats)]
    if subprocess.run(words, env=environment, check=False).returncode:
        sys.exit(f"--config {config.name}: failed, as said above")
    rows: list[Any] = json.loads(result.read_text())
    return rows


def report(made: Sequence[scenes.Scene], found: dict[str, list[Any]], output: Path | None) -> None:
    """Print the table, and what each configuration finds that the first does not, and the reverse; write JSON."""
    groups = list(dict.fromkeys(scene.group for scene in made))
    figures = {(group, name): Figures() for group in (*groups, "all") for name in found}
    hits: dict[str, list[Any]] = {name: [] for name in found}
    for name, rows in found.items():
        for scene, row in zip(made, rows, strict=True):
            one, seen = measured(scene.boxes, scene.landmarks, row["faces"], row["ms"])
            hits[name].append(seen)
            for group in (scene.group, "all"):
                figures[group, name].add(one)
    print(HEADER)
    for group in (*groups, "all"):
        for name in found:
            print(line(group, name, figures[group, name]))
    first, *others = (np.concatenate(seen) for seen in hits.values())
    for name, seen in zip(list(found)[1:], others, strict=True):
        print(f"{name}: {(first & ~seen).sum()} faces fewer than {next(iter(found))}, {(seen & ~first).sum()} more")
    if output:
        table = {group: {name: figures[group, name].row() for name in found} for group in (*groups, "all")}
        output.write_text(json.dumps({"groups": table, "scenes": list(scene_rows(made, found))}, indent=1))


def scene_rows(made: Sequence[scenes.Scene], found: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield what is known of each scene, and what each configuration found."""
    for number, scene in enumerate(made):
        yield {
            "group": scene.group,
            "boxes": np.array(scene.boxes).tolist(),
            "landmarks": np.array(scene.landmarks).tolist(),
            "found": {name: rows[number] for name, rows in found.items()},
        }


if __name__ == "__main__":
    main()

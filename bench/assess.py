"""Is `assess` right? Draws faces of photos, and holds its scores against how the drawings came out.

    python bench/assess.py PHOTOS... --drawings DRAWINGS [--fit]

Of each photo the largest face is assessed, aligned and drawn. A drawing is good if a detector of drawn faces finds its
head and its fit (`drop_misfits`) is at least 0.75. The table shows the photos by fifths of the score, the worst first:
heads found, fits, and the distance of five landmarks between photo and drawing, in eye distances, where the detector of
photos finds the drawn face too. With ``--drawings`` it also shows the style: 1 is as far from drawings as photos are,
0 as drawings (the witness of KID's kernel on VGG-19 conv5_4). ``--fit`` fits the weights on one half, and tests them on
the other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from henshin.api.frame import Frame
from henshin.errors import PictureError
from henshin.images import is_picture, read
from henshin.testing import context
from henshin_plugins.anime_face import AnimeFaceDetect
from henshin_plugins.face import FaceAlign, FaceDetect
from henshin_plugins.face.assessment import EVEN, TESTS, judged, measures
from henshin_plugins.face.fit import fit
from henshin_plugins.generator import GeneratorStage

if TYPE_CHECKING:
    from henshin import Picture, Stage

SIDE = 256
"""Side of the drawings in which heads and landmarks are looked for."""

GOOD_FIT = 0.75


@dataclass(frozen=True)
class Drawn:
    """A photo with its measures and how its drawing came out; ``moved`` is None where no face is found in it."""

    name: str
    values: dict[str, float]
    found: bool
    fit: float
    moved: float | None

    @property
    def is_good(self) -> bool:
        """Whether the drawing came out well."""
        return self.found and self.fit >= GOOD_FIT


class Trial:
    """The stages that draw a photo's largest face, opened."""

    def __init__(self, model: str) -> None:
        self.context = context(Path(mkdtemp()))
        self.context.threads = 1
        self.detect = self._open(FaceDetect, faces="largest")
        self.align = self._open(FaceAlign, size=SIDE, minimum_visible=0.7)
        self.draw = self._open(GeneratorStage, model=model)
        self.heads = self._open(AnimeFaceDetect)

    def _open(self, cls: type[Stage[Any]], **options: Any) -> Stage[Any]:
        stage = cls(cls.Config(**options))
        stage.open(self.context)
        return stage

    def run(self, path: Path) -> tuple[Drawn, Picture, Picture] | None:
        """Return what became of a photo, its crop and its drawing; None without a face that can be cut out."""
        try:
            photo = read(path).picture
        except PictureError:
            return None
        (frame,) = self.detect.run([Frame(str(path), path.stem, photo)])
        if not frame.faces or frame.faces[0].landmarks is None:
            return None
        values = measures(photo, frame.faces[0])
        (aligned,) = self.align.run([frame])
        if not aligned.faces or aligned.faces[0].crop is None:
            return None
        face = aligned.faces[0]
        self.draw.zone = "crops"
        (drawing,) = self.draw.run([face.crop])
        large = np.asarray(Image.fromarray(drawing).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        found = bool(self.heads.run([Frame("", "", large)])[0].faces)
        again = self.detect.run([Frame("", "", large)])[0].faces
        marks = (face.landmarks @ face.matrix[:, :2].T + face.matrix[:, 2]) * SIDE / face.crop.shape[0]
        moved = None
        if again and again[0].landmarks is not None:
            distances = np.linalg.norm(again[0].landmarks - marks, axis=1)
            moved = float(distances.mean() / np.linalg.norm(marks[1] - marks[0]))
        return Drawn(path.name, values, found, fit(drawing), moved), face.crop, drawing


def fifths(scores: np.ndarray) -> list[np.ndarray]:
    """Return the indices of the photos by fifths of their scores, the worst first."""
    return [np.asarray(part) for part in np.array_split(np.argsort(scores, kind="stable"), 5)]


def styles(crops: Sequence[Picture], pictures: Sequence[Picture], drawings: Sequence[Picture]) -> np.ndarray:
    """Return (N,) the style of drawn pictures: 1 is that of the photos' crops, 0 that of real drawings."""
    from henshin.metrics import scale_of
    from henshin.metrics.kernel_distance import kernel
    from henshin.train.metrics import VGG_FEATURES

    network = VGG_FEATURES
    real = network.features(drawings)
    scale = scale_of(network, real)
    photos, drawn, real = (features / scale for features in (network.features(crops), network.features(pictures), real))

    def witness(features: np.ndarray) -> np.ndarray:
        return np.asarray(kernel(features, photos).mean(axis=1) - kernel(features, real).mean(axis=1))

    far, near = witness(photos).mean(), witness(real).mean()
    return np.asarray((witness(drawn) - near) / (far - near))


def fitted(drawn: Sequence[Drawn]) -> tuple[np.ndarray, float]:
    """Return non-negative weights of the tests and the log-odds without penalty, by logistic regression with decay."""
    penalties = np.array([[test.penalty(one.values[test.measure]) for test in TESTS] for one in drawn])
    good = np.array([one.is_good for one in drawn], float)
    weights, even = np.full(len(TESTS), 0.3), 1.0
    for _ in range(5000):
        error = 1 / (1 + np.exp(penalties @ weights - even)) - good
        even -= 0.1 * float(error.mean())
        weights = np.maximum(0, weights + 0.1 * (penalties.T @ error - 0.5 * weights) / len(good))
    return weights, even


def area_under_curve(scores: np.ndarray, good: np.ndarray) -> float:
    """Return the chance that a good one has a higher score than another."""
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    count = int(good.sum())
    return float((ranks[good].sum() - count * (count - 1) / 2) / (count * (len(good) - count)))


def print_fit(drawn: Sequence[Drawn]) -> None:
    """Print the weights fitted on all, and how those of one half do on the other."""
    halves: tuple[list[Drawn], list[Drawn]] = ([], [])
    for one in drawn:
        halves[hashlib.sha256(one.name.encode()).digest()[0] % 2].append(one)
    weights, even = fitted(halves[0])
    penalties = np.array([[test.penalty(one.values[test.measure]) for test in TESTS] for one in halves[1]])
    scores = even - penalties @ weights
    good = np.array([one.is_good for one in halves[1]])
    area = area_under_curve(scores, good)
    print(f"fitted on {len(halves[0])}; on the other {len(halves[1])} the area under the curve is {area:.3f}")
    for number, part in enumerate(fifths(scores), 1):
        print(f"  fifth {number}: {100 * good[part].mean():.0f} % good")
    weights, even = fitted(drawn)
    print(f"on all: EVEN = {even:.2f}")
    for test, weight in zip(TESTS, weights, strict=True):
        print(f"  {weight:.2f}  (now {test.weight:.2f})  {test.words}")


def main(words: Sequence[str] | None = None) -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--drawings", type=Path)
    parser.add_argument("--model", default="selfie2anime")
    parser.add_argument("--every", type=int, default=1, help="only every N-th photo")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    files = [file for folder in options.photos for file in pictures_below(folder)[:: options.every]]
    trial = Trial(options.model)
    with ThreadPoolExecutor() as pool:
        results = [one for one in pool.map(trial.run, files) if one is not None]
    drawn = [one for one, _, _ in results]
    scores = np.array([judged(one.values).score for one in drawn])
    style = None
    if options.drawings is not None:
        real = [read(file).picture for file in pictures_below(options.drawings)[:200]]
        style = styles([crop for _, crop, _ in results], [drawing for _, _, drawing in results], real)
    print_fifths(drawn, scores, style)
    if options.fit:
        print_fit(drawn)
    if options.json is not None:
        options.json.write_text(json.dumps({"even": EVEN, "photos": [asdict(one) for one in drawn]}))
    return 0


def pictures_below(folder: Path) -> list[Path]:
    """Return the pictures of a folder, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and is_picture(file))


def print_fifths(drawn: Sequence[Drawn], scores: np.ndarray, style: np.ndarray | None) -> None:
    """Print the table."""
    print(f"{len(drawn)} photos with a face")
    print("fifth  score  good   heads  fit    landmarks  style")
    for number, part in enumerate(fifths(scores), 1):
        chosen = [drawn[index] for index in part]
        moved = [one.moved for one in chosen if one.moved is not None]
        print(
            f"{number:5}  {scores[part].mean():5.2f}  {_percent(one.is_good for one in chosen)}  "
            f"{_percent(one.found for one in chosen)}  {np.mean([one.fit for one in chosen]):4.2f}   "
            f"{np.mean(moved) if moved else float('nan'):5.3f} ({len(moved):3})  "
            f"{'-' if style is None else f'{style[part].mean():5.2f}'}"
        )


def _percent(values: Iterable[bool]) -> str:
    return f"{100 * np.mean(list(values)):3.0f} %"


if __name__ == "__main__":
    raise SystemExit(main())

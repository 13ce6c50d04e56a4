"""How near a style for scenes comes to its drawings, what it keeps, and whether its tiles show. See README.md.

python bench/scenes.py --model NAME [--model FILE.onnx ...] --photos FOLDER --drawings FOLDER -o OUT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the folder of the package `quality`

from quality.hold_out import pictures_of, split
from quality.judges import LEVEL
from quality.sheet import draw_sheet

from henshin.metrics import Cache, scale_of
from henshin.metrics.kernel_distance import ratio, variety
from henshin.metrics.pair_measures import kept
from henshin.train.metrics import VGG_FEATURES

if TYPE_CHECKING:
    from henshin import Picture
    from henshin.runtime import Model

TILE = 192
"""Side of the windows in which a picture is drawn once more, to be compared with the whole."""


class Figures(NamedTuple):
    """V with its limits, variety, the mean correlation with the photos, and the largest difference at seams."""

    v: float
    low: float
    high: float
    variety: float
    kept: float
    seam: int | None


def main() -> None:
    """Draw, measure and print a line for each model; write a sheet for each."""
    options = parse()
    photos = [squares(path, options.size, options.crop, 1)[0] for path in chosen(options.photos, options.count)]
    per_drawing = -(-options.count // len(pictures_of(options.drawings)))
    drawings = [
        square
        for path in pictures_of(options.drawings)
        for square in squares(path, options.size, options.crop, per_drawing)
    ]
    cache = Cache(options.output / "cache")
    print(f"{len(photos)} photos, {len(drawings)} pieces of drawings, {options.crop} of {options.size} px\n")
    print(f"  {'model':<28} {'V':>6} {'90 %':>13} {'variety':>8} {'kept':>6}  seam")
    for name in options.model:
        model = opened(name)
        drawn = [result for (result,) in (model.translate([photo]) for photo in photos)]
        found = measured(cache, photos, drawn, drawings, seam(model, name, photos[0]))
        draw_sheet(options.output / f"sheet-{Path(name).stem}.png", photos, drawn)
        told = "global" if found.seam is None else str(found.seam)
        limits = f"[{found.low:.2f}, {found.high:.2f}]"
        line = f"{found.v:6.2f} {limits:>13} {found.variety:8.2f} {found.kept:6.2f}  {told}"
        print(f"  {Path(name).stem:<28} {line}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, help="a model's name or file; several are compared")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos of scenes")
    parser.add_argument("--drawings", type=Path, required=True, help="folder of held-out drawings")
    parser.add_argument("--count", type=int, default=60, help="photos, and pieces of drawings (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="length of the shorter side (default: %(default)s)")
    parser.add_argument("--crop", type=int, default=192, help="side of the squares (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for sheets and the cache")
    return parser.parse_args()


def chosen(folder: Path, count: int) -> list[Path]:
    """Return at most `count` pictures of a folder, those whose names have the smallest hashes."""
    files = pictures_of(folder)
    return split(files, count)[0] if count < len(files) else files


def squares(path: Path, size: int, crop: int, count: int) -> list[Picture]:
    """Return squares (crop, crop, 3) of a picture reduced to `size`: the middle for one, else random places."""
    from PIL import Image

    with Image.open(path) as file:
        picture = file.convert("RGB")
    factor = size / min(picture.size)
    width, height = (max(size, round(side * factor)) for side in picture.size)
    array = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    rng = np.random.default_rng(sum(path.name.encode()))
    corners = [((height - crop) // 2, (width - crop) // 2)]
    if count > 1:
        corners = [(int(rng.integers(height - crop + 1)), int(rng.integers(width - crop + 1))) for _ in range(count)]
    return [np.ascontiguousarray(array[top : top + crop, left : left + crop]) for top, left in corners]


def opened(name: str, tile: int | None = None) -> Model:
    from henshin.models import ModelStore
    from henshin.runtime import Model, OnnxSession, resolve_device

    found = ModelStore().find(name)
    return Model(found.contract, OnnxSession(found.path, resolve_device("cpu")), tile=tile)


def seam(model: Model, name: str, photo: Picture) -> int | None:
    """Return the largest difference in grey levels between a picture in tiles and whole; None if it has no tiles."""
    if model.contract.reach == "global":
        return None
    large = np.concatenate([np.concatenate([photo, photo[:, ::-1]], 1), np.concatenate([photo[::-1], photo], 1)])
    (tiled,), (whole,) = opened(name, TILE).translate([large]), opened(name, 10_000).translate([large])
    return int(np.abs(tiled.astype(int) - whole).max())


def measured(
    cache: Cache, photos: Sequence[Picture], drawn: Sequence[Picture], drawings: Sequence[Picture], seams: int | None
) -> Figures:
    """Return the figures on VGG-19; the cache keeps features of what was measured before."""
    of_sets: list[Any] = [cache.get(VGG_FEATURES.kind, of, VGG_FEATURES.features) for of in (photos, drawn, drawings)]
    of_photos, of_drawn, of_drawings = (found / scale_of(VGG_FEATURES, of_sets[2]) for found in of_sets)
    found = ratio(of_photos, of_drawn, of_drawings)
    diverse = variety(of_drawn, of_drawings)
    return Figures(found.value, *found.interval(LEVEL), diverse, float(kept(photos, drawn).mean()), seams)


if __name__ == "__main__":
    main()

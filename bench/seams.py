"""How visible the border of a pasted face is, for each area and way to match colours. See README.md in this folder.

python bench/seams.py [--pictures FOLDER] [--model selfie2anime] [--feather 0.12]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
from PIL import Image
from run import ROOT, SUFFIXES

from henshin import Face, Frame, Stage
from henshin.api.context import Context
from henshin.errors import HenshinError, PictureError
from henshin.images.io import read
from henshin.models import ModelStore
from henshin.registry import build_registry
from henshin.runtime import Device
from henshin_plugins.face.pasting.paste import paste
from henshin_plugins.face.warp import warp

SIDE = 256
"""Side of the square in which a face and its surroundings are compared."""
VIEW = 1.2
"""Width of that square, in sides of the crop."""
BLUR = 0.01
"""Standard deviation of the Gaussian before gradients, in sides of the crop: grain and compression do not count."""
BROAD = 0.04
"""The same before colours are compared: lines do not count."""
WAYS = [(area, match) for area in ("crop", "face", "head") for match in ("none", "surroundings", "border")]


def main() -> None:
    options = parse()
    from henshin_plugins.face.config import PasteBackConfig

    if not options.pictures.is_dir():
        sys.exit(f"{options.pictures}: is no folder")
    try:
        faces = list(drawn_faces(options.pictures, options.model))
    except HenshinError as error:
        sys.exit(str(error))
    if not faces:
        sys.exit(f"{options.pictures}: holds no picture with a face")
    print(f"{len(faces)} faces; gradients across the border over those of the photo there, and steps in grey levels")
    print(
        "| area | colour_match | gradient, median (90 %) | step, median (90 %) | step at the skin |\n"
        + "| --- " * 5
        + "|"
    )
    for area, match in WAYS:
        values = {"area": area, "colour_match": match, "feather": options.feather, "roundness": options.roundness}
        config = PasteBackConfig.model_validate(values)
        rows = np.array([seam(photo, face, config) for photo, face in faces])
        (gradient, step, skin), high = np.median(rows, axis=0), np.percentile(rows, 90, axis=0)
        print(f"| {area} | {match} | {gradient:.2f} ({high[0]:.2f}) | {step:.1f} ({high[1]:.1f}) | {skin:.1f} |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples", help="photos with faces")
    parser.add_argument("--model", default="selfie2anime", help="who draws them (default: %(default)s)")
    feather, roundness = share_up_to(0.5), share_up_to(1)
    parser.add_argument("--feather", type=feather, default=0.12, help="as in paste_back (default: %(default)s)")
    parser.add_argument("--roundness", type=roundness, default=1.0, help="of the area 'crop' (default: %(default)s)")
    return parser.parse_args()


def share_up_to(most: float) -> Callable[[str], float]:
    """Return the reader of an option from 0 to `most`. Its errors: ArgumentTypeError."""

    def read_share(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"'{text}': must be a number from 0 to {most:g}")
        return value

    return read_share


def drawn_faces(folder: Path, model: str) -> Iterator[tuple[Any, Face]]:
    """Yield each photo with one of its faces, whose crop is drawn."""
    registry: Any = build_registry()
    context = Context(
        Device("cpu"), None, Path(gettempdir()), logging.getLogger("seams"), registry, ModelStore(), Path.cwd()
    )

    def opened(name: str, zone: Any, **values: Any) -> Stage[Any]:
        kind = registry.stage(name)
        stage: Stage[Any] = kind(kind.Config.model_validate(values))
        stage.zone = zone
        stage.open(context)
        return stage

    detect, align = opened("face_detect", "photos"), opened("face_align", "photos", minimum_visible=0.7)
    generator = opened("generator", "crops", model=model)
    for path in sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES):
        try:
            picture = read(path).picture
        except PictureError as error:
            raise HenshinError(f"{path}: {error}") from error
        (frame,) = align.run(detect.run([Frame(str(path), path.stem, picture)]))
        for face, crop in zip(frame.faces, generator.run([face.crop for face in frame.faces]), strict=True):
            factor = np.float32(crop.shape[0] / face.crop.shape[0])
            mask = np.asarray(Image.fromarray(face.mask).resize(crop.shape[1::-1]))
            yield picture, replace(face, crop=crop, mask=mask, matrix=face.matrix * factor)


def seam(photo: Any, face: Face, config: Any) -> tuple[float, float, float]:
    """Return the gradient ratio, the step of colour at the border, and that at cheeks and chin."""
    view = view_of(face)
    before, after = (warp(one, view, SIDE, SIDE).astype(float) for one in (photo, paste(photo, [face], config)))
    cover = covered(photo, face, config, view)
    slope = np.stack(np.gradient(blurred(cover, BLUR)[..., 0]))
    border = np.hypot(*slope)
    normal = slope / np.maximum(border, 1e-6)
    crossing = [
        np.abs(np.einsum("kij,kijc->ijc", normal, np.stack(np.gradient(blurred(one, BLUR), axis=(0, 1))))).mean(axis=-1)
        for one in (before, after)
    ]
    ratio = (crossing[1] * border).sum() / max(float((crossing[0] * border).sum()), 1e-6)
    change = np.abs(blurred(after - before, BROAD)).mean(axis=-1)
    row, column = ((np.indices((SIDE, SIDE)) + 0.5) / SIDE - 0.5) * VIEW + 0.5
    skin = border * ((row > 0.55) & (np.abs(column - 0.5) < 0.35))
    steps = [
        float((change * where).sum() / max(float((cover[..., 0] * where).sum()), 1e-6)) for where in (border, skin)
    ]
    return float(ratio), steps[0], steps[1]


def view_of(face: Face) -> Any:
    """Return the matrix (2, 3) from the photo to the square about the face."""
    assert face.matrix is not None
    assert face.crop is not None
    scale = SIDE / VIEW / face.crop.shape[0]
    matrix = face.matrix.astype(float) * scale
    matrix[:, 2] += SIDE * (1 - 1 / VIEW) / 2
    return matrix


def covered(photo: Any, face: Face, config: Any, view: Any) -> Any:
    """Return the opacity (SIDE, SIDE, 1) of the crop, 0 to 1: a white crop pasted on a black photo."""
    assert face.crop is not None
    white = replace(face, crop=np.full_like(face.crop, 255))
    plain = config.model_copy(update={"colour_match": "none"})
    return warp(paste(np.zeros_like(photo), [white], plain), view, SIDE, SIDE)[..., :1] / 255


def blurred(values: Any, deviation: float) -> Any:
    """Return (SIDE, SIDE, C) values after a Gaussian blur; the deviation is in sides of the crop."""
    reach = np.arange(-SIDE // 2, SIDE // 2 + 1) * VIEW / SIDE
    kernel = np.exp(-(reach**2) / (2 * deviation**2))
    kernel = kernel[kernel > 1e-4] / kernel.sum()
    for axis in (0, 1):
        values = np.apply_along_axis(np.convolve, axis, values, kernel, "same")
    return values


if __name__ == "__main__":
    main()

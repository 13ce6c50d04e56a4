"""Drawings that failed are found, and their faces left as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.engine import Bench
from support.face import placed

from henshin import Frame, Stage, StageConfig
from henshin_plugins.face import DropMisfits, FaceAlign, PasteBack, SplitFaces
from henshin_plugins.face.config import DropMisfitsConfig, FaceAlignConfig
from henshin_plugins.face.fit import fit

SKIN, HAIR = (240, 215, 200), (120, 80, 60)


def drawing(size: int = 128, eyes: Any = "both", clot: float = 0.0) -> Any:
    """A face from fringe to chin, with these eyes, and a dark blob of so many sides of the crop beside its nose."""
    image = Image.new("RGB", (256, 256), HAIR)
    draw = ImageDraw.Draw(image)

    def ellipse(x: float, y: float, across: float, down: float, colour: Any) -> None:
        box = [(x - across) * 256, (y - down) * 256, (x + across) * 256, (y + down) * 256]
        draw.ellipse(box, fill=colour)

    ellipse(0.5, 0.6, 0.28, 0.3, SKIN)
    for x, name in ((0.355, "left"), (0.63, "right")):
        if eyes in ("both", "black", name):
            ellipse(x, 0.465, 0.06, 0.085, (30, 25, 40))
            if eyes != "black":
                ellipse(x + 0.015, 0.44, 0.025, 0.03, (255, 255, 255))
                ellipse(x, 0.5, 0.03, 0.03, (120, 150, 210))
    draw.line([(0.46 * 256, 0.74 * 256), (0.54 * 256, 0.74 * 256)], fill=(90, 50, 50), width=2)
    ellipse(0.58, 0.66, clot, clot, (40, 25, 30))
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


@pytest.mark.parametrize("size", [64, 100, 128, 256])
def test_a_good_drawing_fits_in_any_size(size: int) -> None:
    assert fit(drawing(size)) > 0.95
    assert fit(drawing(size)[:, ::-1]) > 0.8, "also mirrored, though the two eyes are not"


@pytest.mark.parametrize("eyes", ["left", "right", "none", "black"])
def test_missing_and_black_eyes_do_not_fit(eyes: str) -> None:
    assert fit(drawing(eyes=eyes)) < 0.4


def test_the_larger_a_clot_the_less_it_fits() -> None:
    fits = [fit(drawing(clot=clot)) for clot in (0.0, 0.04, 0.08, 0.12)]
    assert sorted(fits, reverse=True) == fits
    assert fits[-1] < 0.6 < 0.75 < fits[0]


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_dark_drawing_fits_as_well_as_a_light_one(share: float) -> None:
    """In a dark photo, or of dark skin."""
    for clot in (0.0, 0.1):
        dark = (drawing(clot=clot) * share).astype(np.uint8)
        assert fit(dark) == pytest.approx(fit(drawing(clot=clot)), abs=0.06)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_even_picture_has_no_fit(value: int) -> None:
    assert fit(np.full((50, 50, 3), value, np.uint8)) == 0


class Found(Stage[StageConfig]):
    """A face on the left and one on the right of each photo."""

    name = "found"
    works_on = "frames"
    gives = frozenset({"faces"})

    def run(self, frames: Any) -> Any:
        faces = [replace(placed((x, 60), 80), score=x / 200) for x in (50, 150)]
        return [replace(frame, faces=list(faces)) for frame in frames]


class Draw(Stage[StageConfig]):
    """Draw red crops without eyes, and others well."""

    name = "draw"

    def run(self, pictures: Any) -> Any:
        return [drawing(eyes="none" if one[40, 40, 0] > 200 else "both") for one in pictures]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Three photos: both faces of the first one fit, one of the second, none of the third."""
    bench = Bench(tmp_path)
    for name, left, right in (("both", 20, 20), ("one", 250, 20), ("none", 250, 250)):
        picture = np.full((120, 200, 3), 20, np.uint8)
        picture[:, :100, 0], picture[:, 100:, 0] = left, right
        Image.fromarray(picture).save(bench.photos / f"{name}.png")
    return bench


def stages(*last: Any, **options: Any) -> list[Any]:
    misfits = DropMisfits(DropMisfitsConfig.model_validate(options))
    return [Found, FaceAlign(FaceAlignConfig()), Draw, misfits, *last]


def test_the_photo_keeps_a_face_that_failed(bench: Bench) -> None:
    summary = bench.run(*stages(PasteBack))
    assert (summary.done, summary.skipped, summary.failed) == (3, 0, 0)
    assert summary.dropped == {"drop_misfits": {"misfits": 3}}
    given, one = (np.asarray(Image.open(folder / "one.png")) for folder in (bench.photos, bench.out))
    assert np.array_equal(one[:, :100], given[:, :100])
    assert not np.array_equal(one[:, 100:], given[:, 100:])
    assert (bench.out / "none.png").read_bytes() == (bench.photos / "none.png").read_bytes()
    lines = map(json.loads, (bench.out / ".henshin" / "run.jsonl").read_text().splitlines())
    reasons = {Path(line["source"]).stem: [drop["reason"] for drop in line.get("dropped", ())] for line in lines}
    assert {name: len(told) for name, told in reasons.items()} == {"both": 0, "one": 1, "none": 2}
    assert reasons["one"] == ["fit 0.00, at least 0.75 wanted"]


def test_no_portrait_is_written_of_a_face_that_failed(bench: Bench) -> None:
    summary = bench.run(*stages(SplitFaces, without_faces="skip"))
    assert bench.files() == ["both-1.png", "both-2.png", "one-1.png"]
    assert (summary.done, summary.skipped) == (2, 1)
    assert ("none.png", "skipped", "fit 0.00, at least 0.75 wanted (and 1 more of its pictures)") in bench.told.ended


def test_every_face_fits_at_zero(bench: Bench) -> None:
    assert bench.run(*stages(SplitFaces, minimum_fit=0)).dropped == {}
    assert len(bench.files()) == 6


def test_a_photo_without_faces_passes(tmp_path: Path) -> None:
    stage = DropMisfits(DropMisfitsConfig())
    stage.open(None)  # type: ignore[arg-type]
    (frame,) = stage.run([Frame("a.png", "a", np.zeros((8, 8, 3), np.uint8))])
    assert (frame.bypass, frame.dropped, frame.faces) == (False, None, [])

"""The figures of bench/seams.py: a border that shows has larger ones than a border that does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seams import covered, main, seam, view_of
from support.face import placed, smooth

from henshin import Face
from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig


@pytest.fixture
def faces(rng: np.random.Generator) -> tuple[Any, Face, Face]:
    """A photo with its face as it is, and with the face 40 grey levels lighter."""
    photo = (smooth(rng, 240, 240) * 0.5 + 50).astype(np.uint8)
    (face,) = align(photo, [placed((120, 120), 150, 10)], FaceAlignConfig())
    assert face.crop is not None
    return photo, face, replace(face, crop=face.crop + np.uint8(40))


@pytest.mark.parametrize("area", ["crop", "face", "head"])
def test_the_step_is_that_between_drawing_and_photo(area: Any, faces: tuple[Any, Face, Face]) -> None:
    photo, same, lighter = faces
    gradient, step, skin = seam(photo, same, PasteBackConfig(area=area))
    assert gradient == pytest.approx(1, abs=0.03)
    assert max(step, skin) < 1.5
    _, step, skin = seam(photo, lighter, PasteBackConfig(area=area))
    assert step == pytest.approx(40, abs=4)
    assert skin == pytest.approx(40, abs=6)


def test_a_harder_border_has_more_gradient_and_matched_colours_less(faces: tuple[Any, Face, Face]) -> None:
    photo, _, lighter = faces
    options: list[dict[str, Any]] = [{"feather": 0.0}, {"feather": 0.12}, {"feather": 0.12, "colour_match": "border"}]
    hard, soft, matched = (seam(photo, lighter, PasteBackConfig(area="face", **one)) for one in options)
    assert hard[0] > soft[0] + 0.2
    assert matched[0] <= soft[0]
    assert matched[1] < 0.4 * soft[1]


def test_the_cover_is_that_of_the_area(faces: tuple[Any, Face, Face]) -> None:
    photo, face, _ = faces
    cover = covered(photo, face, PasteBackConfig(area="face"), view_of(face))[..., 0]
    middle = len(cover) // 2
    assert cover[middle, middle] == 1
    across = (cover[middle] > 0.5).mean() * 1.2
    assert across == pytest.approx(2 * (0.36 - 0.06), abs=0.02), "radius of the ellipse less half the feather"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--pictures", "none"], "none: is no folder"),
        (["--pictures", "."], ".: holds no picture with a face"),
        (["--pictures", ".", "--model", "selfie2anme"], "selfie2anime"),
        (["--pictures", "broken"], "bad.png: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    if "broken" in words:
        (tmp_path / "broken" / "bad.png").write_bytes(b"no picture")
    monkeypatch.setattr(sys, "argv", ["seams.py", *words])
    with pytest.raises(SystemExit) as said:
        main()
    assert wanted in str(said.value)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("words", [["--feather", "0.6"], ["--roundness", "x"]])
def test_shares_out_of_range_are_refused(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["seams.py", *words])
    with pytest.raises(SystemExit):
        main()
    assert "must be a number from 0 to" in capsys.readouterr().err

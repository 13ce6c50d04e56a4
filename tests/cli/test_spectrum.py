"""`henshin spectrum`: its figures against numpy alone, pairs with sources, its figure, and what is wrong in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from henshin.cli import main


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "soft"):
        Path(name).mkdir()
    for number in range(3):
        photo = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((128, 96), 2)
        photo.save(f"photos/{number}.png")
        photo.filter(ImageFilter.GaussianBlur(2)).save(f"soft/{number}.webp", lossless=True)


def measured(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[dict[str, Any]]:
    assert main(["spectrum", *words, "--json"]) == code
    sets: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["sets"]
    return sets


def by_hand(path: Path, side: int) -> tuple[float, float]:
    """The share of the energy above half of Nyquist, and that energy per pixel, by numpy alone."""
    plane = np.asarray(Image.open(path).convert("RGB"), np.float64) @ [0.299, 0.587, 0.114] / 255
    top, left = (plane.shape[0] - side) // 2, (plane.shape[1] - side) // 2
    spectrum = np.fft.fft2(plane[top : top + side, left : left + side])
    frequency = np.abs(np.fft.fftfreq(side)) * 2
    far = frequency[:, None] ** 2 + frequency[None, :] ** 2 > 0.25
    energy = np.abs(spectrum) ** 2
    return energy[far].sum() / (energy.sum() - energy[0, 0]), energy[far].sum() / side**4


def test_the_figures_are_those_of_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    (photos,) = measured(capsys, "photos")
    assert (photos["pictures"], photos["side"]) == (3, 96)
    shares = [by_hand(path, 96)[0] for path in sorted(Path("photos").iterdir())]
    assert photos["energy_above_half_nyquist"]["mean"] == pytest.approx(np.mean(shares))
    radial = photos["radial_power"]
    assert len(radial["frequency"]) == len(radial["mean"]) == 48
    assert radial["frequency"][24] == pytest.approx(0.5)
    assert all(low <= high for low, high in zip(radial["p10"], radial["p90"], strict=True))


def test_what_a_translation_did_is_measured_in_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    photos, soft = measured(capsys, "soft", "--source", "photos", "--size", "64")
    pairs = [
        10 * np.log10(by_hand(Path(f"soft/{n}.webp"), 64)[1] / by_hand(Path(f"photos/{n}.png"), 64)[1])
        for n in range(3)
    ]
    change = soft["change_of_energy_above_half_nyquist_db"]
    assert change["mean"] == pytest.approx(np.mean(pairs))
    assert change["mean"] < -10
    assert photos["change_of_energy_above_half_nyquist_db"] is None
    assert photos["energy_above_half_nyquist"]["mean"] > soft["energy_above_half_nyquist"]["mean"]
    assert soft["high_frequencies_outside_edges_grey_levels"] < 3


def test_sources_of_other_sizes_and_names_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Image.open("photos/0.png").resize((256, 192)).save("photos/0.png")
    Path("soft/1.webp").rename("soft/other.webp")
    _, soft = measured(capsys, "soft", "--source", "photos", "--size", "64")
    assert (soft["resized_sources"], soft["without_source"], soft["pictures"]) == (1, 1, 3)
    assert main(["spectrum", "soft", "--source", "photos", "--size", "64"]) == 0
    told = capsys.readouterr()
    assert "soft: 1 picture without a source of this name" in told.err
    assert "1 source of another size" in told.err
    assert "CHANGE" in told.out


def test_the_figure_shows_each_set(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert main(["spectrum", "photos", "soft", "-o", "new/s.png", "--picture", "1.png"]) == 0
    one = np.asarray(Image.open("new/s.png").convert("RGB")).astype(int)
    assert one.shape[0] > 900
    assert len(np.unique(one.reshape(-1, 3), axis=0)) > 200
    assert main(["spectrum", "photos", "soft", "-o", "new/s.png"]) == 2
    assert "a file of this name is there already" in capsys.readouterr().err
    assert main(["spectrum", "photos", "soft", "-o", "new/s.png", "--force"]) == 0
    other = np.asarray(Image.open("new/s.png").convert("RGB")).astype(int)
    assert np.abs(one - other).max() > 0, "another picture"


def test_small_damaged_and_missing_pictures_are_left_out_with_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (20, 20)).save("photos/tiny.png")
    Path("photos/broken.png").write_bytes(b"no picture")
    (photos,) = measured(capsys, "photos", code=1)
    assert photos["pictures"] == 3
    assert {one["picture"] for one in photos["failures"]} == {"tiny.png", "broken.png"}
    assert any("20x20 pixels hold no square of 96" in one["reason"] for one in photos["failures"])


def test_grey_pictures_are_measured_and_flat_ones_have_no_detail(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flat").mkdir()
    Image.new("L", (40, 40), 128).save("flat/a.png")
    (flat,) = measured(capsys, "flat")
    assert flat["energy_above_half_nyquist"]["mean"] == pytest.approx(0, abs=1e-9)
    assert flat["patterns"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "nowhere"),
        (["empty"], "no pictures in 'empty'"),
        (["tiny"], "no picture can be read that has at least 32 pixels on its shorter side"),
        (
            ["photos", "--size", "100"],
            "'photos': no picture can be measured (0.png: 128x96 pixels hold no square of 100)",
        ),
        (["photos", "-o", "s.txt"], "a plot is a picture"),
        (["photos", "--picture", "9.png"], "--picture: no folder has a picture '9.png'"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("tiny").mkdir()
    Image.new("RGB", (31, 400)).save("tiny/a.png")
    assert main(["spectrum", *words]) == 2
    assert told in capsys.readouterr().err

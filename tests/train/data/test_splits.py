"""Held-out pictures of super-resolution when some cannot be read: chosen by name, told, and none is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from PIL import Image
from support.train import curves, trained

from henshin.registry import build_registry
from henshin.train.config.run_config import load_run
from henshin.train.data.folders import list_pictures, split_files
from henshin.train.loop.dry_run import summarize_folders


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Six pictures of 40 pixels."""
    rng = np.random.default_rng(3)
    (tmp_path / "six").mkdir()
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "six" / f"{number}.png")
    return tmp_path


def run_file(place: Path, hold_out: int) -> Path:
    path = place / "run.yaml"
    path.write_text(
        "recipe: super_resolution\ngenerator: {use: carn, width: 4, group: 2, scales: [2]}\n"
        f"data: {{pictures: six, patch: 8, hold_out: {hold_out}, duplicates: ignore}}\n"
        "batch: 2\nsteps: 2\nsheet_every: 1\n"
    )
    return path


def damage(place: Path, held: int, training: int) -> None:
    """Cut so many files of those that are held out of two, and of the others, after their first bytes."""
    others, first = split_files(list_pictures([place / "six"]), 2)
    for file in [*first[:held], *others[:training]]:
        file.write_bytes(file.read_bytes()[:50])


@pytest.mark.parametrize(
    ("held", "training", "left"),
    [(2, 0, "4 pictures, 0 held out"), (1, 1, "3 pictures, 1 held out"), (0, 2, "2 pictures, 2 held out")],
)
def test_damaged_ones_are_held_out_by_name_and_psnr_is_of_those_left(
    place: Path, held: int, training: int, left: str
) -> None:
    damage(place, held, training)
    path = run_file(place, 2)
    (told,) = summarize_folders(load_run(path, build_registry()))
    assert (told.training, told.held_out) == (4, 2), "by their names, before any is read"
    said = trained(path, place / "run")
    assert f"{left}, pieces of 8 px" in said
    lost = [line for line in said if "nothing is held out, for of the 2 chosen by their names none can be used" in line]
    assert len(lost) == (held == 2)
    log = curves(place / "run")
    assert ("psnr_x2" in log, "bicubic_x2" in log) == (held < 2, held < 2)
    assert len(log["l1"]) == 2
    assert list((place / "run" / "samples").glob("*.png"))


def test_without_held_out_pictures_nothing_is_measured_and_nothing_missed(place: Path) -> None:
    said = trained(run_file(place, 0), place / "run")
    assert not any("nothing is held out" in line for line in said)
    assert "psnr_x2" not in curves(place / "run")

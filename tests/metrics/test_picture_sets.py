"""Pairs by name, and the rule for pictures of different sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.errors import PictureError
from henshin.metrics import FileSet, Pairs
from henshin.metrics.picture_sets import to_size_of


def named(name: str, *files: str) -> FileSet:
    return FileSet(name, {file: Path(file) for file in files})


def test_pairs_are_equal_names_or_equal_but_for_the_suffix() -> None:
    first = named("--fake", "a.png", "deep/b.png", "c.png", "b.png", "d.png")
    second = named("--real", "a.png", "a.jpg", "deep/b.webp", "d.jpg", "d.webp", "e.png")
    found = Pairs.of(first, second)
    assert list(found.matched) == [("a.png", "a.png"), ("deep/b.png", "deep/b.webp")]
    assert found.alone == {
        "c.png": "no picture of its name in --real",
        "b.png": "no picture of its name in --real",
        "d.png": "2 pictures of its name in --real",
    }


def test_a_picture_of_another_size_is_resized_by_the_bicubic_filter() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    partner = np.zeros((32, 48, 3), np.uint8)
    wanted = np.asarray(Image.fromarray(picture).resize((48, 32), Image.Resampling.BICUBIC))
    assert (to_size_of(picture, partner) == wanted).all()
    assert to_size_of(partner, partner) is partner


def test_another_shape_is_no_partner() -> None:
    with pytest.raises(PictureError, match=r"64x64 pixels have another shape than its partner's 96x64"):
        to_size_of(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 96, 3), np.uint8))


def test_what_cannot_be_read_is_kept_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    Image.new("L", (5, 4), 90).save(tmp_path / "grey.png")
    Image.new("RGBA", (5, 4), (10, 20, 30, 0)).save(tmp_path / "clear.png")
    one = FileSet("--real", {file.name: file for file in sorted(tmp_path.iterdir())})
    found = dict(one.pictures())
    assert sorted(found) == ["clear.png", "grey.png"]
    assert found["grey.png"].shape == (4, 5, 3)
    assert found["grey.png"][0, 0].tolist() == [90, 90, 90]
    assert found["clear.png"][0, 0].tolist() == [10, 20, 30]
    assert one.unreadable == {"bad.png": "empty file (0 bytes)"}

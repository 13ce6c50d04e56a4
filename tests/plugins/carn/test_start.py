"""Super-resolution that begins with weights: those of a run, or of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from support.train import different, last_state, trained  # noqa: E402

from henshin.errors import HenshinError  # noqa: E402


def run_yaml(place: Path, name: str, width: int = 8, **options: object) -> Path:
    lines = {"steps": 1, "batch": 2, "sheet_every": 100, **options}
    path = place / f"{name}.yaml"
    path.write_text(
        f"recipe: super_resolution\ngenerator: {{use: carn, width: {width}, group: 2}}\n"
        "data: {pictures: large, patch: 16, hold_out: 1, duplicates: ignore}\n"
        + "".join(f"{key}: {value}\n" for key, value in lines.items())
    )
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a run of three steps, and its average as a file."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "large").mkdir()
    rng = np.random.default_rng(4)
    for i in range(3):
        picture = np.kron(rng.integers(0, 256, (9, 9, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        Image.fromarray(picture).save(folder / "large" / f"{i}.png")
    trained(run_yaml(folder, "first", steps=3, ema=0.9), folder / "first")
    save_file(average(folder / "first"), folder / "first.safetensors")
    return folder


def average(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that a run publishes."""
    return {
        name.removeprefix("network."): value.contiguous()
        for name, value in last_state(folder)["ema"].items()
        if name.startswith("network.")
    }


@pytest.mark.parametrize("start", ["first", "first.safetensors"])
def test_a_run_begins_with_the_average_of_another_or_with_a_file(place: Path, start: str) -> None:
    name = f"from-{Path(start).suffix}"
    trained(run_yaml(place, name, start=start, learning_rate="1e-12"), place / name)
    begun, published = last_state(place / name)["generator"], average(place / "first")
    assert published.keys() == begun.keys()
    assert all(torch.allclose(begun[one], published[one], atol=1e-6) for one in published)
    last = last_state(place / "first")["generator"]
    assert any(not torch.equal(last[one], published[one]) for one in last), "the average is the last weights"


def test_a_run_with_a_start_goes_on_to_the_same_weights(place: Path) -> None:
    path = run_yaml(place, "on", start="first", steps=4)
    trained(path, place / "whole")
    trained(path, place / "parts", max_steps=2)
    trained(path, place / "parts", resume=True)
    assert different(last_state(place / "whole"), last_state(place / "parts")) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"start": "first", "width": 12}, "wants (12,"),
        ({"start": "nowhere"}, "nowhere: no such folder or file"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_in_a_line(place: Path, options: dict, told: str) -> None:
    with pytest.raises(HenshinError) as caught:
        trained(run_yaml(place, "wrong", **options), place / "wrong")
    assert told in str(caught.value)

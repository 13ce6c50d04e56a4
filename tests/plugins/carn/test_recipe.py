"""The recipe of super-resolution: pieces and their small twins belong together, and a break changes nothing."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image, ImageFilter  # noqa: E402
from support.train import curves, different, last_state, trained  # noqa: E402

from henshin.api.training_data import Degradation, PatchData  # noqa: E402
from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.data.preprocessing import downscale  # noqa: E402
from henshin.train.export import export_targets  # noqa: E402
from henshin.train.super_resolution.patches import (  # noqa: E402
    PatchDegradation,
    Patches,
    PatchSource,
    blur_and_downscale,
    crop_pair,
    degrade,
    draw_degradations,
    open_patches,
)
from henshin.train.super_resolution.validation import luma_psnr, scales_of  # noqa: E402
from henshin.train.testing import check_recipe  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402
from henshin_plugins.carn import SuperResolutionRecipe  # noqa: E402
from henshin_plugins.carn.config import SuperResolutionRecipeConfig  # noqa: E402

SCALES = (2, 3, 4)


def drawn(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture with edges, of some rectangles on a ramp."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)], -1).astype(np.uint8)
    for _ in range(6):
        top, left = int(rng.integers(height - 8)), int(rng.integers(width - 8))
        picture[top : top + 12, left : left + 12] = rng.integers(0, 256, 3)
    return picture


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Folders: six pictures of odd sizes, three that suffice only for x2, and two of one pixel."""
    folder = tmp_path_factory.mktemp("sr")
    rng = np.random.default_rng(5)
    for name, sizes in {
        "large": [(72 + i, 81 - i) for i in range(6)],
        "small": [(40, 35)] * 3,
        "tiny": [(1, 1)] * 2,
    }.items():
        (folder / name).mkdir()
        for i, (height, width) in enumerate(sizes):
            picture = drawn(rng, height, width) if height > 1 else np.zeros((1, 1, 3), np.uint8)
            Image.fromarray(picture).save(folder / name / f"{name}{i}.png")
    return folder


def opened(place: Path, said: list[str], scales: tuple[int, ...] = SCALES, **options) -> Patches:
    run = SimpleNamespace(
        folders=lambda value: [place / name for name in value],
        say=said.append,
        folder=place,
        device=torch.device("cpu"),
    )
    return open_patches(run, PatchData(**{"patch": 16, "hold_out": 1, "duplicates": "ignore", **options}), scales)


def written(place: Path, folder: Path, options: str = "", data: str = "pictures: large") -> Path:
    """A run's YAML with a small network."""
    path = place / f"{folder.name}.yaml"
    path.write_text(
        "recipe: super_resolution\n"
        "generator: {use: carn, width: 8, group: 2}\n"
        f"data: {{{data}, patch: 16, hold_out: 1, duplicates: ignore}}\nbatch: 2\n{options}"
    )
    return path


def cubic(length: int, scale: int) -> np.ndarray:
    """Weights (length, length * scale) of the bicubic filter, a = -0.5, stretched by the scale, one at each border."""
    centres = (np.arange(length) + 0.5) * scale
    x = np.abs((np.arange(length * scale) + 0.5 - centres[:, None]) / scale)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("scale", SCALES)
def test_small_twins_are_those_of_the_bicubic_filter_by_its_formula_and_by_pillow(rng, scale):
    picture = drawn(rng, 61, 50)
    height, width = 61 // scale, 50 // scale
    part = picture[: height * scale, : width * scale]
    small = downscale(picture, scale)
    assert np.array_equal(small, np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BICUBIC)))
    exact = np.einsum("ih,jw,hwc->ijc", cubic(height, scale), cubic(width, scale), part.astype(float))
    assert np.abs(small - exact.clip(0, 255)).max() <= 1


def test_pieces_of_a_batch_show_the_same_place_however_they_are_turned(place):
    patches = opened(place, [], pictures=("large",))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(12):
        small, large, scale = patches.draw(4, rng)
        seen.add(scale)
        assert small.shape == (4, 3, 16, 16)
        assert large.shape == (4, 3, 16 * scale, 16 * scale)
        means = torch.nn.functional.avg_pool2d(large, scale)
        apart = (means - small)[:, :, 1:-1, 1:-1].abs().mean((1, 2, 3))
        moved = (means - small.roll(1, 3))[:, :, 1:-1, 1:-1].abs().mean((1, 2, 3))
        assert (apart < 0.6 * moved).all()
        assert apart.max() < 0.05
    assert seen == set(SCALES)


def test_a_piece_is_cut_from_anywhere_up_to_the_borders(rng):
    large = drawn(rng, 60, 81).transpose(2, 0, 1)
    small = downscale(large.transpose(1, 2, 0), 3).transpose(2, 0, 1)
    first = crop_pair(PatchSource(large, small, (0.0, 0.0), None), 3, 16)
    last = crop_pair(PatchSource(large, small, (0.999, 0.999), None), 3, 16)
    for piece, low, high in zip((0, 1), (small, large), (16, 48), strict=True):
        assert np.array_equal(first[piece], low[:, :high, :high])
        assert np.array_equal(last[piece], low[:, -high:, -high:])


def test_all_eight_ways_to_lie_come_up_or_none(place):
    def lies(**options) -> set[bytes]:
        patches = opened(place, [], scales=(4,), pictures=("small",), patch=8, hold_out=2, **options)
        patches.folders[0].small[4].shapes[:] = 8  # one place alone
        patches.folders[0].small[4].starts[:] = 0
        small, _, _ = patches.draw(100, np.random.default_rng(0))
        return {one.numpy().tobytes() for one in small}

    assert len(lies()) == 8
    assert len(lies(turn=False)) == len(lies(turn=False, flip=True)) == 2
    assert len(lies(flip=False)) == 4
    assert len(lies(flip=False, turn=False)) == 1


def test_folders_are_drawn_from_by_their_shares_and_small_pictures_only_where_they_suffice(place):
    said: list[str] = []
    patches = opened(place, said, pictures=("large", "small"), shares=(1, 3))
    assert patches.counts == {2: 7, 3: 5, 4: 5}
    assert "pictures: 2 of 7 are smaller than 48 px, and left out at x3" in said
    assert patches._probabilities[2].tolist() == [0.25, 0.75]
    assert patches._probabilities[4].tolist() == [1, 0]
    assert opened(place, [], pictures=("large", "small"))._probabilities[2].tolist() == [5 / 7, 2 / 7]
    held = [(patches.folders.index(of), row) for of, row in patches.held_out]
    assert [of for of, _ in held] == [0, 1], "one of each"
    assert not {row for of, row in held if of == 0} & set(patches.folders[0].training.tolist())


def test_what_a_piece_suffers_keeps_within_its_bounds(rng):
    options = Degradation(
        blur=(0.5, 0.9), noise=(2, 3), jpeg=(40, 42), blur_probability=0.25, noise_probability=1, jpeg_probability=1
    )
    found = draw_degradations(options, 2000, rng)
    blur = [one.blur for one in found if one.blur]
    assert 0.2 < len(blur) / len(found) < 0.3
    assert 0.5 <= min(blur) < 0.52
    assert 0.88 < max(blur) <= 0.9
    assert all(2 <= one.noise <= 3 for one in found)
    assert {one.quality for one in found} == {40, 41, 42}
    none = draw_degradations(Degradation(blur_probability=0, noise_probability=0, jpeg_probability=0), 50, rng)
    assert all((one.blur, one.noise, one.quality) == (0, 0, 0) for one in none)


def test_noise_and_jpeg_are_what_they_say(rng):
    flat = np.full((64, 64, 3), 120, np.uint8)
    noisy = degrade(flat, PatchDegradation(0, 6.0, 0, seed=1))
    assert np.std(noisy.astype(float) - flat) == pytest.approx(6, rel=0.05)
    assert np.array_equal(noisy, degrade(flat, PatchDegradation(0, 6.0, 0, seed=1)))
    assert not np.array_equal(noisy, degrade(flat, PatchDegradation(0, 6.0, 0, seed=2)))
    picture, kept = drawn(rng, 48, 48), io.BytesIO()
    Image.fromarray(picture).save(kept, "JPEG", quality=60)
    assert np.array_equal(degrade(picture, PatchDegradation(0, 0, 60, seed=1)), np.asarray(Image.open(kept)))
    assert np.array_equal(degrade(picture, PatchDegradation(0, 0, 0, seed=1)), picture)


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.5, 0.4), (0.99, 0.99)])
def test_a_blurred_piece_is_a_cut_of_the_blurred_picture(rng, at):
    picture = drawn(rng, 96, 90)
    small = downscale(picture, 3)
    planes = picture.transpose(2, 0, 1), small.transpose(2, 0, 1)
    whole = blur_and_downscale(picture, 3, 0.9)
    alone = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2.7)).resize((30, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(whole, np.asarray(alone))
    piece, large = crop_pair(PatchSource(*planes, at, PatchDegradation(0.9, 0, 0, 0)), 3, 12)
    plain, same = crop_pair(PatchSource(*planes, at, None), 3, 12)
    assert np.array_equal(large, same), "the large piece is the truth, and stays as it is"
    top, left = int(at[0] * 21), int(at[1] * 19)
    wanted = whole[top : top + 12, left : left + 12].transpose(2, 0, 1).astype(int)
    assert np.abs(piece - wanted).max() <= 1
    assert np.abs(plain - wanted).max() > 3


def test_threads_change_nothing_of_spoilt_pieces(place):
    patches = opened(place, [], pictures=("large",))
    one, other = (patches.draw(6, np.random.default_rng(3), Degradation()) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], patches.draw(6, np.random.default_rng(3))[0])


@pytest.fixture(scope="module")
def learned(place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    options = "steps: 48\nlearning_rate: 4e-3\nsheet_every: 24\n"
    trained(written(place, folder, options), folder)
    return folder


def test_l1_falls_and_psnr_rises_beside_bicubic(learned, place):
    log = curves(learned)
    assert sum(log["l1"][-8:]) < 0.7 * sum(log["l1"][:8])
    for scale in SCALES:
        assert len(log[f"psnr_x{scale}"]) == len(log[f"bicubic_x{scale}"]) == 3, "at the start, after 24, at the end"
        assert log[f"psnr_x{scale}"][-1] > log[f"psnr_x{scale}"][0] + 3
        assert len(set(log[f"bicubic_x{scale}"])) == 1
        assert len(log[f"l1_x{scale}"]) > 5


def test_the_figures_are_those_of_papers(learned, place):
    """Independently: the held-out picture, its twin enlarged by Pillow, luma of BT.601, the border shaved."""
    log = curves(learned)
    patches = opened(place, [], pictures=("large",))
    ((pyramid, row),) = patches.held_out
    picture = np.asarray(Image.open(pyramid.large.files[row]).convert("RGB"))
    for scale in SCALES:
        height, width = (side // scale * scale for side in picture.shape[:2])
        truth = Image.fromarray(picture[:height, :width])
        small = truth.resize((width // scale, height // scale), Image.Resampling.BICUBIC)
        result = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
        error = (result.astype(float) - np.asarray(truth)) @ (np.array([65.481, 128.553, 24.966]) / 255)
        mean = np.mean(error[scale:-scale, scale:-scale] ** 2)
        assert log[f"bicubic_x{scale}"][0] == pytest.approx(10 * np.log10(255**2 / mean), abs=1e-3)
    assert luma_psnr(picture, picture, 2) == 100, "a curve shows no infinity"


def test_a_sheet_shows_every_scale_beside_bicubic_and_the_truth(learned):
    with Image.open(sorted((learned / "samples").glob("*.png"))[-1]) as page:
        assert page.size[1] >= 9 * 70


def test_a_break_changes_nothing(place, tmp_path):
    path = written(place, tmp_path, "steps: 6\nsheet_every: 2\nema: 0.9\ndegradation: {}\nclip: 0.01\n")
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=3)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []


def test_a_run_of_several_scales_becomes_a_model_of_each(learned):
    source = from_run(learned, build_registry())
    assert {end: (one.generator.scale, one.preferred_size) for end, one in export_targets(source).items()} == {
        "-x2": (2, 16),
        "-x3": (3, 16),
        "-x4": (4, 16),
    }


def test_the_kit_finds_no_fault_with_one_scale():
    options = {"generator": {"use": "carn", "width": 4, "group": 2, "scales": [3]}, "batch": 2, "sheet_every": 3}
    check_recipe(
        SuperResolutionRecipe, {**options, "data": {"pictures": "pictures", "patch": 8, "hold_out": 6}}, steps=4
    )


def test_a_network_of_one_scale_is_called_with_pictures_alone():
    registry = build_registry()

    def found(**options):
        return scales_of(
            registry, SuperResolutionRecipeConfig(generator={"use": "carn", **options}, data=DATA).generator
        )

    assert found() == {2: (2,), 3: (3,), 4: (4,)}
    assert found(scales=(3,)) == {3: ()}


DATA = {"pictures": "large"}


def test_defaults_are_the_authors_and_the_rate_is_halved():
    config = SuperResolutionRecipeConfig.model_validate({"data": DATA})
    assert (config.batch, config.data.patch, config.steps, config.clip, config.ema) == (64, 64, 600_000, 10, 0)
    assert [config.rate(step) for step in (0, 399_999, 400_000, 599_999)] == [1e-4, 1e-4, 5e-5, 5e-5]
    fading = SuperResolutionRecipeConfig.model_validate({"data": DATA, "steps": 100, "decay": 0.5, "halve_every": 80})
    assert [fading.rate(step) for step in (0, 50, 75, 80)] == pytest.approx([1e-4, 1e-4, 5e-5, 2e-5])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("pictures: tiny", "none of 1 pictures has the 32x32 pixels that pieces of 16 px need at x2; lower data.patch"),
        ("pictures: [small]", "none of 2 pictures has the 48x48 pixels that pieces of 16 px need at x3"),
    ],
)
def test_pictures_that_are_all_too_small_are_told(place, tmp_path, data, told):
    with pytest.raises(HenshinError, match=told):
        trained(written(place, tmp_path, data=data), tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "data", "told"),
    [
        ("", "pictures: none", "data.pictures: .*none: no such folder"),
        ("", "pictures: [large, small], shares: [1]", "names 1 shares for 2 folders; one for each"),
        ("degradation: {blur: [2, 1]}\n", "pictures: large", r"\(2, 1\) is no range; the lower one comes first"),
    ],
)
def test_what_does_not_fit_is_told_before_the_run(place, tmp_path, options, data, told):
    with pytest.raises(PipelineError, match=told):
        load_run(written(place, tmp_path, options, data), build_registry())


def test_each_folder_must_hold_more_than_is_held_out(place, tmp_path):
    path = written(place, tmp_path, data="pictures: [large, small]")
    with pytest.raises(PipelineError, match=r"data\.hold_out: 3 of 3 pictures in .*small: none left .*; at most 2"):
        load_run(path, build_registry(), ["data.hold_out=3"])


def test_a_network_that_does_not_enlarge_is_refused(place, tmp_path):
    with pytest.raises(PipelineError, match="'resnet' does not enlarge; super_resolution needs a network of scale 2"):
        load_run(written(place, tmp_path), build_registry(), ["generator={use: resnet}"])

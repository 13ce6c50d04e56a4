"""The edges of training batches: the stage `edge_promote` and its twin on tensors find and smooth the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support import edge as plain

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from support.train import curves, domains  # noqa: E402

from henshin.api.training_data import UnpairedData  # noqa: E402
from henshin.errors import HenshinError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.data import apply_stage, open_pictures  # noqa: E402
from henshin.train.data.stage_transform import make_stage  # noqa: E402
from henshin_plugins.cartoongan.edge_promotion import PromotedAsDrawn, canny, promoted, widened  # noqa: E402

REGISTRY = build_registry()


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batch(pictures: np.ndarray | list[np.ndarray], value_range: tuple[float, float] = (-1, 1)) -> torch.Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float in a range."""
    x = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2).float() / 255
    return x * (value_range[1] - value_range[0]) + value_range[0]


def levels(x: torch.Tensor) -> np.ndarray:
    """Back to (N, H, W, 3) of 0..255, unrounded."""
    return ((x + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def scene(rng: np.random.Generator, height: int = 60, width: int = 76) -> np.ndarray:
    picture = np.full((height, width, 3), 190, np.uint8)
    cv2.circle(picture, (width // 3, height // 2), height // 4, rng.integers(0, 150, 3).tolist(), -1)
    cv2.line(picture, (3, 4), (width - 5, height - 9), (0, 0, 0), 2)
    cv2.line(picture, (width - 4, 3), (width // 2, height - 2), (255, 120, 0), 1)
    picture[height // 2 :] -= rng.integers(0, 40, (height - height // 2, width, 3), dtype=np.uint8)
    return picture


OPTIONS = [
    {},
    {"low": 30, "high": 90, "dilate": 1, "kernel": 3},
    {"low": 0, "high": 0, "dilate": 4, "kernel": 7, "sigma": 0.4},
    {"low": 150.5, "high": 400.5, "dilate": 9, "kernel": 15, "sigma": 6.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("step", [1.0, 0.4, -0.8])
def test_it_is_what_its_definition_says(rng, options, step):
    pictures = [scene(rng) for _ in range(3)]
    got = levels(promoted(batch(pictures), step=step, **options))
    usual = {"low": 100, "high": 200, "dilate": 5, "kernel": 5, "sigma": 1.1, **options}
    if "sigma" not in options:
        usual["sigma"] = 0.3 * ((usual["kernel"] - 1) / 2 - 1) + 0.8
    for picture, one in zip(pictures, got, strict=True):
        expected, zone = plain.promoted(picture, step=step, **usual)
        assert 0.02 < zone.mean() < 0.99
        assert np.abs(one - expected).max() <= 0.5 + 1e-3
        assert np.abs(one - one.round()).max() < 1e-3, "levels of a file"


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (3, 3), (33, 7), (64, 31)])
def test_sizes_that_are_smaller_than_the_kernel(rng, shape):
    picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    got = promoted(batch([picture]), kernel=31, sigma=5.0, dilate=9, low=20, high=40)
    expected, _ = plain.promoted(picture, low=20, high=40, dilate=9, kernel=31, sigma=5.0, step=1)
    assert got.shape == (1, 3, *shape)
    assert np.abs(levels(got)[0] - expected).max() <= 0.5 + 1e-3


def test_edges_are_those_of_opencv_also_along_a_line_without_end(rng):
    spiral = np.full((121, 121, 3), 255, np.uint8)
    for i in range(4, 58, 6):  # one dark line of 3,000 pixels, strong only where it begins
        cv2.rectangle(spiral, (i, i), (120 - i, 120 - i), (225, 225, 225), 1)
        spiral[i + 1 : i + 6, i] = 225
        spiral[i : i + 2, i + 1 : i + 6] = 255
    spiral[4:6, 4] = 0
    noise = rng.integers(0, 256, (121, 121, 3), dtype=np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 2)
    pictures = [spiral, noise, soft]
    for low, high in ((40, 700), (60, 61), (100, 900), (0, 300)):
        expected = [cv2.Canny(plain.gray(picture).astype(np.uint8), low, high) > 0 for picture in pictures]
        assert np.array_equal(canny(batch(pictures), low, high)[:, 0].numpy(), expected)
    long = canny(batch([spiral]), 40, 700).sum()
    assert long > 20 * canny(batch([spiral]), 700, 700).sum() > 0


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8, 21, 63])
def test_masks_are_widened_as_opencv_does(rng, side):
    mask = rng.random((2, 40, 30)) < 0.01
    expected = [cv2.dilate(one.astype(np.uint8), np.ones((side, side), np.uint8)) > 0 for one in mask]
    assert np.array_equal(widened(torch.from_numpy(mask)[:, None], side)[:, 0].numpy(), expected)


def test_outside_the_zone_every_bit_stays_and_what_is_given_is_not_touched(rng):
    x = (batch([scene(rng)]) * 0.9871).requires_grad_()  # between the levels, as a network's pictures are
    before = x.detach().clone()
    got = promoted(x)
    zone = widened(canny(x), 5).expand_as(x)
    assert 0.05 < zone.float().mean() < 0.95
    assert torch.equal(got[~zone], before[~zone])
    assert not torch.equal(got[zone], before[zone])
    assert torch.equal(x.detach(), before)
    assert not got.requires_grad


def test_a_picture_does_not_depend_on_its_batch_nor_on_order_of_memory_nor_on_precision(rng):
    x = batch([scene(rng) for _ in range(4)] + [np.full((60, 76, 3), 80, np.uint8)])
    together = promoted(x)
    assert all(torch.equal(promoted(one[None])[0], two) for one, two in zip(x, together, strict=True))
    assert torch.equal(promoted(x.to(memory_format=torch.channels_last)), together)
    assert torch.equal(together[4], x[4]), "flat: no edge, no change"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(promoted(x), together)
    assert promoted(x[:0]).shape == (0, 3, 60, 76)


def test_other_ranges_of_values(rng):
    pictures = [scene(rng) for _ in range(2)]
    expected = promoted(batch(pictures))
    got = promoted(batch(pictures, (0, 1)), value_range=(0, 1))
    assert got.min() >= 0
    assert torch.allclose(got * 2 - 1, expected, atol=1e-6)
    assert torch.equal(canny(batch(pictures, (0, 1)), value_range=(0, 1)), canny(batch(pictures)))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), not \(3, 8, 8\)"):
        promoted(torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match=r"not \(1, 1, 8, 8\)"):
        canny(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="odd"):
        promoted(torch.zeros(1, 3, 8, 8), kernel=4)


@pytest.mark.parametrize("folder", ["selfie2anime/trainB", "scenes/anime-style", "selfie2anime/trainA"])
def test_of_real_pictures_it_makes_what_the_stage_makes(shared_data: Path, folder: str):
    files = sorted((shared_data / folder).iterdir())[5:11]
    pictures = [np.ascontiguousarray(Image.open(file).convert("RGB").crop((0, 0, 256, 256))) for file in files]
    stage = make_stage(run_in(shared_data), "edge_promote", {})
    stage.open(None)
    expected = np.stack(stage.run(pictures)).astype(int)
    got = levels(promoted(batch(pictures))).round()
    apart = np.abs(got - expected)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-4, "only where a half was rounded"
    assert (expected != np.stack(pictures)).mean() > 0.02


def run_in(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(
        registry=REGISTRY,
        device=torch.device("cpu"),
        folder=folder,
        say=lambda line: None,
        folders=lambda value: [folder / value],
    )


@pytest.mark.parametrize("crop", ["middle", "random"])
def test_pictures_smoothed_as_they_are_drawn_are_those_of_the_prepared_set(tmp_path, crop):
    domains(tmp_path, size=48)
    run = run_in(tmp_path)
    cartoons = open_pictures(run, "b", UnpairedData(a="a", b="b", size=32, hold_out=1, crop=crop, flip=False))
    prepared = apply_stage(run, cartoons, "edge_promote", {"kernel": 9})
    s = make_stage(run, "edge_promote", {"kernel": 9}).config
    drawn = PromotedAsDrawn(cartoons, low=s.low, high=s.high, dilate=s.dilate, kernel=s.kernel, sigma=s.deviation)
    assert len(drawn) == len(prepared)
    one, two = (domain.draw(8, np.random.default_rng(5)) for domain in (prepared, drawn))
    plainly = cartoons.draw(8, np.random.default_rng(5))
    inner = slice(None) if crop == "middle" else slice(9, -9)  # farther in than the kernel and the zone reach
    apart = (one - two)[:, :, inner, inner].abs() * 127.5
    assert apart.max() < 1.01
    assert (apart > 0.5).float().mean() < 1e-3
    assert (plainly - two).abs().max() > 0.1


class Features(torch.nn.Module):
    """In the place of VGG-19, which takes seconds to make."""

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.nn.functional.avg_pool2d(pictures, 2),)


def test_a_recipe_learns_the_same_of_both(tmp_path, monkeypatch):
    monkeypatch.setattr("henshin_plugins.cartoongan.recipe.Vgg19", lambda layers: Features())
    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import train

    domains(tmp_path)
    found = {}
    for when in ("start", "draw"):
        path = tmp_path / "run.yaml"
        path.write_text(
            "recipe: cartoongan\ngenerator: {use: cartoongan, width: 8, blocks: 1}\ncontent_layer: conv2_2\n"
            "discriminator_width: 8\ndata: {a: a, b: b, size: 32, hold_out: 1, flip: false}\nbatch: 2\nsteps: 3\n"
            f"initialise_steps: 1\nsheet_every: 100\nsmooth: {{kernel: 7}}\nsmooth_at: {when}\n"
        )
        options = TrainOptions(device="cpu", precision="fp32", log_every=1)
        train(load_run(path, REGISTRY), tmp_path / when, REGISTRY, options, lambda line: None)
        found[when] = curves(tmp_path / when)
    assert found["start"]["discriminator"] == pytest.approx(found["draw"]["discriminator"], rel=1e-3)
    assert found["start"]["smooth_score"] == pytest.approx(found["draw"]["smooth_score"], rel=1e-3)


def test_wrong_options_are_told_as_the_stage_tells_them(tmp_path):
    with pytest.raises(HenshinError, match="must be odd, such as 3 or 5"):
        make_stage(run_in(tmp_path), "edge_promote", {"kernel": 4})

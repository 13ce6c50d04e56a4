"""`henshin evaluate --real --fake`: its JSON against other libraries, its table and plot, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from henshin.cli import main

COUNT = 5


def picture(seed: int, size: int = 32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with real/, fake/ and source/, the same names in each, in one a folder deeper."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "cache"))
    for k, role in enumerate(("real", "fake", "source")):
        (tmp_path / role / "deep").mkdir(parents=True)
        for i in range(COUNT):
            place = tmp_path / role / ("deep" if i == 3 else "") / f"{i}.png"
            Image.fromarray(picture(100 * k + i)).save(place)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert main(["evaluate", *words, "--json", "--device", "cpu"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def values(found: dict[str, Any]) -> dict[str, float]:
    return {figure["metric"]: figure["value"] for figure in found["figures"]}


def names() -> list[str]:
    return [*(f"{i}.png" for i in range(COUNT) if i != 3), "deep/3.png"]


def test_psnr_and_ssim_are_those_of_scikit_image(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    found = values(told(capsys, "--real", "real", "--fake", "fake", "--metrics", "psnr,ssim"))
    pairs = [[np.asarray(Image.open(sets / role / name)) for role in ("real", "fake")] for name in names()]
    psnr = [metrics.peak_signal_noise_ratio(*pair, data_range=255) for pair in pairs]
    assert found["psnr"] == pytest.approx(np.mean(psnr), abs=1e-9)
    ssim = [
        metrics.structural_similarity(*pair, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5,
                                      use_sample_covariance=False, full=True)[1][5:-5, 5:-5].mean()
        for pair in pairs
    ]  # fmt: skip
    assert found["ssim"] == pytest.approx(np.mean(ssim), abs=1e-6)


def test_kid_is_that_of_the_features_of_the_named_network(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from henshin.train.networks.efficientnet_lite import PooledEfficientNetLite0

    found = told(capsys, "--real", "real", "--fake", "fake", "--metrics", "kid,fid", "--resamples", "20")
    network, sides = PooledEfficientNetLite0(), []
    for role in ("real", "fake"):
        pictures = [Image.open(sets / role / name).resize((224, 224), Image.Resampling.BICUBIC) for name in names()]
        batch = torch.from_numpy(np.stack([np.asarray(one) for one in pictures])).permute(0, 3, 1, 2)
        with torch.no_grad():
            sides.append(network.pooled(batch.float() / 127.5 - 1).double().numpy())
    x, y = sides
    n, d = x.shape
    xx, yy, xy = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    wanted = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1)) - 2 * xy.mean()
    figures = {figure["metric"]: figure for figure in found["figures"]}
    assert list(figures) == ["kid-efficientnet-lite0", "frechet-efficientnet-lite0"]
    assert figures["kid-efficientnet-lite0"]["value"] == pytest.approx(wanted, rel=1e-3)
    assert figures["kid-efficientnet-lite0"]["pictures"] == {"real": COUNT, "fake": COUNT}
    assert not any("FID" in figure["title"] for figure in figures.values())
    assert (found["seed"], found["exit_code"]) == (0, 0)


def test_the_table_its_notes_and_a_plot(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    words = ["--real", "real", "--fake", "fake", "--source", "source", "--metrics", "psnr", "--metrics", "kept"]
    assert main(["evaluate", *words, "--plot", "plots/figures.png", "--device", "cpu"]) == 0
    head, psnr, kept = capsys.readouterr().out.splitlines()
    assert head.split() == ["METRIC", "VALUE", "95", "%", "INTERVAL", "BETTER", "PICTURES"]
    assert psnr.startswith("PSNR (RGB, dB)")
    assert psnr.endswith(f"higher  {COUNT} pairs")
    assert kept.startswith("kept of the source")
    with Image.open("plots/figures.png") as plot:
        assert plot.format == "PNG"
        colours = np.asarray(plot.convert("RGB"))
    assert (np.abs(colours.astype(int) - (0x2F, 0x6F, 0xB0)).sum(2) < 30).sum() > 50  # the points
    assert main(["evaluate", *words, "--plot", "plots/figures.png", "--device", "cpu"]) == 2
    assert "a file of this name is there already" in capsys.readouterr().err


def test_missing_partners_are_named_and_the_others_count(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "real" / "2.png").unlink()
    words = ["evaluate", "--real", "real", "--fake", "fake", "--metrics", "psnr", "--device", "cpu"]
    assert main(words) == 1
    said = capsys.readouterr()
    assert f"{COUNT - 1} pairs" in said.out
    assert "--fake in --real: 1 picture without a figure: 2.png (no picture of its name in --real)" in said.err
    found = told(capsys, *words[1:7], code=1)
    assert found["unpaired"] == {"--fake in --real": {"2.png": "no picture of its name in --real"}}


def test_unpaired_folders_are_a_clear_line(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in sorted((sets / "real").rglob("*.png")):
        file.rename(file.with_name(f"x{file.name}"))
    assert main(["evaluate", "--real", "real", "--fake", "fake", "--metrics", "ssim", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "not measured: ssim: no picture of --fake has a partner of its name in --real" in said.err


def test_grey_and_clear_pictures_are_read_as_the_engine_reads_them(
    sets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in ("real", "fake"):
        Image.open(sets / role / "0.png").convert("L").save(sets / role / "0.png")
        Image.open(sets / role / "1.png").convert("RGBA").save(sets / role / "1.png")
    found = told(capsys, "--real", "real", "--fake", "fake", "--metrics", "psnr")
    assert found["figures"][0]["pictures"] == {"pairs": COUNT}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--real", "real", "--fake", "nowhere"], "nowhere"),
        (["--real", "real", "--fake", "empty"], "no pictures in 'empty'"),
        (["--real", "real"], "--real and --fake go together"),
        (["--real", "real", "--fake", "fake", "--metrics", "kit"], "there is no metric 'kit'; did you mean 'kid'?"),
        (["--real", "real", "--fake", "fake", "--on", "real"], "--on does not go with --real and --fake"),
        (["carn-m", "--real", "real", "--fake", "fake"], "MODEL does not go with --real and --fake"),
        (["--on", "real", "--metrics", "kid"], "--metrics goes with --real and --fake"),
        ([], "give test sets by --on, or sets of pictures by --real and --fake"),
        (["--real", "real", "--fake", "fake", "--plot", "a.pdf"], "a plot is a picture"),
        (
            ["--real", "real", "--fake", "fake", "--set", "face_detect.detector=yunet"],
            "--set is for --metrics landmark",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    sets: Path, words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (sets / "empty").mkdir()
    assert main(["evaluate", *words]) == 2
    said = capsys.readouterr()
    assert wanted in said.err.replace("\n", " ")
    assert said.out == ""


def test_landmarks_are_those_of_the_detector(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.paths import ROOT

    for role in ("face", "turned"):
        (sets / role).mkdir()
    with Image.open(ROOT / "examples" / "astronaut.jpg") as photo:
        photo.thumbnail((240, 240))
        photo.save(sets / "face" / "a.png")
        photo.resize((photo.width * 3 // 4, photo.height * 3 // 4)).save(sets / "turned" / "a.png")
    Image.fromarray(picture(0)).save(sets / "face" / "b.png")
    Image.fromarray(picture(0)).save(sets / "turned" / "b.png")
    words = ["--real", "real", "--fake", "turned", "--source", "face", "--metrics", "landmarks"]
    found = told(capsys, *words, "--set", "face_detect.second_pass=never", code=1)
    (figure,) = found["figures"]
    assert figure["pictures"] == {"pairs": 1}
    assert 0 < figure["value"] < 0.1
    assert found["unpaired"]["landmarks of --fake"] == {"b.png": "no face is found in the translation"}
    wrong = ["--set", "face_detect.detektor=yunet"]
    assert main(["evaluate", *words, *wrong]) == 2
    assert "did you mean 'detector'?" in capsys.readouterr().err

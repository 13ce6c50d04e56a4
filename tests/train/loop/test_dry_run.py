"""`henshin train --dry-run`: says what would be done, and touches nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from support.recipe import PLUGIN
from support.train import domains, run_yaml

from henshin.cli import main


def everything(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in folder.rglob("*")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "cache"))
    domains(tmp_path)
    return tmp_path


def test_a_dry_run_says_all_and_touches_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_yaml(place, "cyclegan", epochs=7, discriminator_width=64)
    before = everything(place)
    words = ["train", "cyclegan.yaml", "--dry-run", "--device", "cpu", "--precision", "fp32", "--set", "pool=3"]
    assert main([*words, "--max-time", "90s"]) == 0
    told = capsys.readouterr().out
    assert everything(place) == before
    assert os.environ["HENSHIN_CACHE"] == str(place / "cache")
    lines = [line.strip() for line in told.splitlines()]
    assert lines[0] == "recipe: cyclegan"
    for line in ("pool: 3", "epochs: 7", "seed: 0", "device: cpu, in fp32", "folder: runs/cyclegan, starts anew"):
        assert line in lines
    networks = {line.split(":")[0]: line for line in lines if line.endswith(" parameters")}
    assert networks.keys() == {"a_to_b", "b_to_a", "discriminator_a", "discriminator_b"}, (
        "no ema: 0.0 is the last weights"
    )
    assert networks["discriminator_a"] == "discriminator_a: 2.765 M parameters"
    assert "data.a: 5 to train on, 1 held out, 32 px, in a" in lines
    assert "length: 21 steps, 3 to an epoch, stops after 2 min" in lines
    assert any(line.startswith("memory: about 1 MiB") for line in lines)
    assert main([*words, "--set", "ema=0.9"]) == 0
    assert "\n  ema: " in capsys.readouterr().out.partition("networks:")[2]


def test_a_dry_run_says_from_where_a_run_would_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "dots.py").write_text(PLUGIN)
    (place / "dots.yaml").write_text("recipe: dots\nsteps: 3\n")
    train = ["train", "dots.yaml", "--plugin", "dots.py", "--device", "cpu"]
    assert main([*train, "-q"]) == 0
    assert main([*train, "--dry-run"]) == 2
    assert "holds a run already; go on with it by --resume" in capsys.readouterr().err
    before = everything(place)
    assert main([*train, "--dry-run", "--resume"]) == 0
    told = capsys.readouterr().out
    assert "folder: runs/dots, goes on from step 3" in told
    assert "network: 127 parameters" in told
    assert "length: 3 steps" in told
    assert everything(place) == before


def test_a_dry_run_says_why_a_setup_failed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_yaml(place, "cut", patches=16, scales=1, taps=[99])
    assert main(["train", "cut.yaml", "--dry-run", "--device", "cpu", "--precision", "fp32"]) == 0
    told = capsys.readouterr().out.partition("networks:")[2]
    assert "generator: resnet, " in told
    assert "others unknown: the setup failed on pictures of noise: taps: generator 'resnet' has no layer 99" in told


def test_a_dry_run_finds_what_would_end_the_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_yaml(place, "cyclegan")
    path.write_text(path.read_text().replace("b: b", "b: none"))
    assert main(["train", "cyclegan.yaml", "--dry-run"]) == 2
    assert "cyclegan.yaml:3: data.b: " in capsys.readouterr().err
    assert main(["train", "cyclegan.yaml", "--dry-run", "--devices", "0"]) == 2

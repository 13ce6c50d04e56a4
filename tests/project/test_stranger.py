"""A plugin by somebody who has read nothing but the design: installed as a distribution, and as a single file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

HAYAO = '''\
"""A small residual anime generator for henshin."""
from henshin import Generator, GeneratorConfig, hookimpl
from pydantic import Field

class HayaoConfig(GeneratorConfig):
    width: int = Field(32, ge=8, description="Channels of the hidden layers.")

class Hayao(Generator[HayaoConfig]):
    name = "hayao"
    Config = HayaoConfig
    size_multiple = 2

    def build(self):
        from torch import nn          # heavy, so only when a network is wanted
        w = self.config.width
        return nn.Sequential(nn.Conv2d(3, w, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(w, 3, 4, 2, 1), nn.Tanh())

@hookimpl
def henshin_generators():
    return [Hayao]
'''

PYPROJECT = """\
[project]
name = "henshin-hayao"
version = "0.1"
dependencies = ["henshin"]
[project.entry-points.henshin]
hayao = "henshin_hayao"
"""


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a Markdown page."""
    parts = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [part.split("```")[0] for part in parts]


def printed(text: str, language: str = "python") -> str:
    """The one block of docs/plugins.md in which this stands: what is tested is what is read."""
    (found,) = [block for block in blocks("plugins.md", language) if text in block]
    return found


def halftone() -> str:
    return printed("class Halftone(")


def henshin(*words: str, path: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    script = "import sys; from henshin.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300, env=environment, cwd=cwd
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that holds the stranger's distribution as an installer would leave it."""
    folder = tmp_path / "site"
    info = folder / "henshin_hayao-0.1.dist-info"
    info.mkdir(parents=True)
    (folder / "henshin_hayao.py").write_text(HAYAO)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: henshin-hayao\nVersion: 0.1\nRequires-Dist: henshin\n")
    (info / "entry_points.txt").write_text("[henshin]\nhayao = henshin_hayao\n")
    return folder


def test_the_documented_plugin_is_the_tested_one() -> None:
    assert HAYAO in blocks("plugins.md", "python")
    assert PYPROJECT in blocks("plugins.md", "toml")


def test_an_installed_distribution_is_listed_with_its_owner(site: Path) -> None:
    result = henshin("plugins", "--json", path=site)
    assert result.returncode == 0, result.stderr
    listing = json.loads(result.stdout)
    assert listing["problems"] == []
    assert listing["generators"]["hayao"]["options"]["properties"]["width"]["minimum"] == 8
    assert "hayao" in listing["generators"]["hayao"]["owner"]
    assert "hayao" not in json.loads(henshin("plugins", "--json").stdout)["generators"]


def test_a_single_file_is_a_plugin_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HAYAO)
    result = henshin("plugins", "hayao", "--plugin", "mine.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Channels of the hidden layers." in result.stdout


def test_the_documented_stage_passes_the_kit(tmp_path: Path) -> None:
    from henshin.registry import build_registry
    from henshin.testing import check_stage

    (tmp_path / "halftone.py").write_text(halftone())
    check_stage(build_registry([tmp_path / "halftone.py"]).stage("halftone"), {"dot": 4})


def test_the_generator_passes_the_kit(site: Path) -> None:
    pytest.importorskip("torch")
    from henshin.registry import build_registry
    from henshin.testing import check_generator

    check_generator(build_registry([site / "henshin_hayao.py"]).generator("hayao"), {"width": 8})


def test_the_documented_stage_prints_dots(tmp_path: Path) -> None:
    (tmp_path / "halftone.py").write_text(halftone())
    (tmp_path / "my.yaml").write_text("name: my\nstages:\n  - use: halftone\n    dot: 8\n")
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.full((21, 32, 3), 120, np.uint8)).save(photos / "grey.png")
    result = henshin("run", "my.yaml", "--plugin", "halftone.py", "-i", "photos", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    printed = np.asarray(Image.open(tmp_path / "out" / "grey.png"))
    assert printed.shape == (21, 32, 3)
    assert set(np.unique(printed)) == {40, 120}
    assert np.array_equal(printed[:8, :8], printed[8:16, 8:16])


def test_the_documented_source_makes_the_same_pictures_again(tmp_path: Path) -> None:
    from henshin.registry import build_registry
    from henshin.testing import check_stage

    (tmp_path / "noise.py").write_text(printed("class Noise("))
    check_stage(build_registry([tmp_path / "noise.py"]).stage("noise"), {"side": 5})
    (tmp_path / "noise.yaml").write_text("name: noise\nstages:\n  - use: noise\n    side: 5\n    seed: 9\n")
    words = ("run", "noise.yaml", "--plugin", "noise.py", "-o", "out")
    first, second = henshin(*words, cwd=tmp_path), henshin(*words, cwd=tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "3 up to date" in second.stdout
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [f"noise-00000{i}.png" for i in range(3)]
    expected = np.random.default_rng([9, 2]).integers(0, 256, (5, 5, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "noise-000002.png")), expected)


def test_the_documented_duplicate_of_a_frame_is_written_too(tmp_path: Path) -> None:
    body = textwrap.indent(printed("-mirrored").partition("def run")[2], "    ")
    source = (
        "from dataclasses import replace\nfrom henshin import Stage, hookimpl\n\n"
        "class Twice(Stage):\n    name = 'twice'\n    works_on = 'frames'\n    renames = True\n\n"
        f"    def run{body.lstrip()}\n@hookimpl\ndef henshin_stages():\n    return [Twice]\n"
    )
    (tmp_path / "twice.py").write_text(source)
    (tmp_path / "my.yaml").write_text("name: my\nstages:\n  - use: twice\n")
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(tmp_path / "a.png")
    result = henshin("run", "my.yaml", "--plugin", "twice.py", "-i", "a.png", "-o", "out/", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a-mirrored.png", "a.png"]


def test_the_documented_sidecar_describes_a_model_from_elsewhere(tmp_path: Path) -> None:
    from support.onnx import foreign_float

    foreign_float(tmp_path / "theirs.onnx")
    (tmp_path / "theirs.henshin.json").write_text(printed("nchw_float", "json"))
    (tmp_path / "my.yaml").write_text("name: my\nstages:\n  - use: generator\n    model: theirs.onnx\n")
    Image.fromarray(np.full((5, 6, 3), 55, np.uint8)).save(tmp_path / "a.png")
    words = ("run", "my.yaml", "-i", "a.png", "-o", "out/", "--device", "cpu")
    result = henshin(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert np.asarray(Image.open(tmp_path / "out" / "a.png")).tolist() == [[[200] * 3] * 6] * 5


def test_the_documented_recipe_trains_and_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from henshin.cli import main
    from henshin.testing import picture

    (tmp_path / "echo.py").write_text(printed("class Echo("))
    (tmp_path / "echo.yaml").write_text(printed("recipe: echo", "yaml").replace("size: 64", "size: 32"))
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        Image.fromarray(picture(120, 90, seed)).save(tmp_path / "photos" / f"{seed}.png")
    plugin = ("--plugin", "echo.py")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "echo.yaml", *plugin, "--device", "cpu", "--max-steps", "12"]) == 0
    line, *_ = (tmp_path / "runs" / "echo" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["loss"] < 1
    assert (tmp_path / "runs" / "echo" / "samples" / "0000000.png").is_file()
    assert main(["export", "runs/echo", "--name", "echo", *plugin, "--pictures", "photos", "-o", "made"]) == 0
    assert (tmp_path / "made" / "echo.onnx").is_file()


def test_the_documented_tables_name_every_field_of_frames_and_faces() -> None:
    import re
    from dataclasses import fields

    from henshin import Face, Frame

    _, _, page = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8").partition("## A frame\n")
    frame, _, face = page.partition("## What is given back")[0].partition("A face (")
    for cls, text in ((Frame, frame), (Face, face)):
        assert re.findall(r"^\| `(\w+)`", text, re.M) == [field.name for field in fields(cls)]


def test_a_strangers_wrong_option_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "halftone.py").write_text(halftone())
    (tmp_path / "my.yaml").write_text("name: my\nstages:\n  - use: halftone\n    dto: 8\n  - use: haftone\n")
    result = henshin("check", "my.yaml", "--plugin", "halftone.py", cwd=tmp_path)
    assert result.returncode == 2
    assert "my.yaml:4:" in result.stderr
    assert "did you mean 'dot'?" in result.stderr
    assert "my.yaml:5:" in result.stderr
    assert "did you mean 'halftone'?" in result.stderr


def test_a_broken_stranger_stops_nobody(site: Path) -> None:
    (site / "henshin_hayao.py").write_text("import no_such_library_of_mine\n")
    result = henshin("plugins", path=site)
    assert result.returncode == 0
    assert "no_such_library_of_mine" in result.stderr
    assert "face_detect" in result.stdout


def test_a_failing_stage_fails_its_picture_only(tmp_path: Path) -> None:
    source = textwrap.dedent(
        """
        from henshin import PictureError, Stage, hookimpl

        class Picky(Stage):
            \"\"\"Refuse dark pictures.\"\"\"
            name = "picky"

            def run(self, pictures):
                return [PictureError("too dark") if picture.mean() < 50 else 255 - picture for picture in pictures]

        @hookimpl
        def henshin_stages():
            return [Picky]
        """
    )
    (tmp_path / "picky.py").write_text(source)
    (tmp_path / "my.yaml").write_text("name: my\nstages:\n  - use: picky\n")
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, value in (("bright", 200), ("dark", 10), ("light", 90)):
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(photos / f"{name}.png")
    result = henshin("run", "my.yaml", "--plugin", "picky.py", "-i", "photos", "-o", "out", cwd=tmp_path)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    assert "dark.png" in said
    assert "picky" in said
    assert "too dark" in said
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["bright.png", "light.png"]
    assert np.asarray(Image.open(tmp_path / "out" / "bright.png"))[0, 0, 0] == 55

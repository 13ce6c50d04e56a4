"""A folder to stand in for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.cli import run_pipeline

PLUGIN = """\
from henshin import Stage, StageConfig, hookimpl
from pydantic import Field

class NegativeConfig(StageConfig):
    top: int = Field(255, ge=1, le=255, description="What black becomes.")

class Negative(Stage[NegativeConfig]):
    \"\"\"Turn light to dark.\"\"\"
    name = "negative"
    Config = NegativeConfig

    def run(self, pictures):
        return [self.config.top - picture.clip(0, self.config.top) for picture in pictures]

@hookimpl
def henshin_stages():
    return [Negative]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a plugin, a pipeline that uses it, and three photos in two folders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "negative.py").write_text(PLUGIN)
    (tmp_path / "negative.yaml").write_text("name: negative\nstages:\n  - use: negative\n")
    for name, value in (("photos/a.png", 10), ("photos/b.png", 20), ("photos/deep/c.png", 30)):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 16, 3), value, np.uint8)).save(file)
    return tmp_path


def run(*words: str) -> int:
    return run_pipeline(["negative.yaml", "--plugin", "negative.py", *words])


def value(path: Path) -> int:
    return int(np.asarray(Image.open(path))[0, 0, 0])

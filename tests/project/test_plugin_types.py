"""What a stranger writes passes mypy --strict: attributes and properties alike, and wrong values of either do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

SAMPLE = """\
from typing import Any, Literal

from henshin import Generator, GeneratorConfig, Picture, Stage, StageConfig
from henshin.api.generator import Reach
from henshin.api.stage import Extra
from pydantic import Field


class Options(GeneratorConfig):
    downs: int = Field(2, ge=1, le=4, description="Halvings.")


class Plain(Generator[Options]):
    name = "plain"
    Config = Options
    kind = "sampler"
    value_range = (0.0, 1.0)
    channel_order = "BGR"
    size_multiple = 4
    scale = 2
    reach = 7
    maximum_size = 512
    latent_shape = (64,)


class Again(Plain):
    size_multiple = 8
    value_range = (0.0, 255.0)


class Computed(Generator[Options]):
    name = "computed"
    Config = Options

    @property
    def kind(self) -> Literal["translator"]:
        return "translator"

    @property
    def value_range(self) -> tuple[float, float]:
        return 0.0, 255.0

    @property
    def size_multiple(self) -> int:
        return 1 << self.config.downs

    @property
    def scale(self) -> int:
        return self.config.downs

    @property
    def reach(self) -> Reach:
        return 3 if self.config.downs < 2 else "global"

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.downs,)

    @property
    def maximum_size(self) -> int | None:
        return None


class StageOptions(StageConfig):
    faces: bool = Field(True, description="Whether faces are wanted.")


class Simple(Stage[StageOptions]):
    name = "simple"
    Config = StageOptions
    works_on = "frames"
    needs = frozenset({"faces"})
    gives = frozenset()
    ends = frozenset({"crops"})
    extra = "train"
    renames = True


class Own(Stage[StageOptions]):
    name = "own"
    Config = StageOptions
    extra = Extra("henshin-hayao[gpu]", "cupy")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"faces"}) if self.config.faces else frozenset()

    @property
    def renames(self) -> bool:
        return self.config.faces

    def run(self, items: list[Picture]) -> list[Picture]:
        return items


class Wanting(Stage[StageOptions]):
    name = "wanting"
    Config = StageOptions

    @property
    def extra(self) -> str | None:
        return "heic" if self.config.faces else None


def side(generator: Generator[Any]) -> int:
    return generator.size_multiple * generator.scale
"""

WRONG = """\
from henshin import Generator, GeneratorConfig, Stage, StageConfig


class Net(Generator[GeneratorConfig]):
    kind = "painter"
    value_range = (0.0, 1.0, 2.0)
    size_multiple = "4"


class Step(Stage[StageConfig]):
    needs = "faces"

    @property
    def renames(self) -> str:
        return "yes"
"""


def checked(folder: Path, text: str) -> tuple[int, str]:
    (folder / "stranger.py").write_text(text)
    (folder / "mypy.ini").write_text("[mypy]\n")
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "stranger.py"]
    result = subprocess.run(words, capture_output=True, text=True, cwd=folder, timeout=600)
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow
def test_attributes_and_properties_pass_and_wrong_ones_do_not(tmp_path: Path) -> None:
    status, said = checked(tmp_path, SAMPLE)
    assert status == 0, said
    status, said = checked(tmp_path, WRONG)
    wrong = [int(line.split(":")[1]) for line in said.splitlines() if "error:" in line]
    assert (status, wrong) == (1, [5, 6, 7, 11, 14]), said

"""Stages with all kinds of options, and a way to read a text as a pipeline of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage, StageConfig
from henshin.config.options import ModelName
from henshin.errors import MissingError, PipelineError
from henshin.pipeline import Pipeline, load
from henshin.registry import Registry


class AlignConfig(StageConfig):
    size: int = Field(256, ge=16, le=4096, description="Side of a crop.")
    faces: Literal["all", "largest"] = Field("all", description="Which faces.")
    feather: float = Field(0.1, gt=0, lt=1, description="Width of the rim.")
    sides: tuple[int, int] | None = Field(None, description="Two sides.")
    limit: int | Literal["auto"] = Field("auto", description="How many.")


class Box(BaseModel):
    model_config = {"extra": "forbid"}
    width: int = Field(ge=1, description="Width of the box.")
    height: int = Field(1, description="Height of the box.")


class PaintConfig(StageConfig):
    model: ModelName = Field(description="Which model paints.")
    second: ModelName | None = Field(None, description="Another model.")
    more: list[ModelName] = Field(default_factory=list, description="More of them.")
    either: Literal["lanczos"] | ModelName = Field("lanczos", description="A filter or a model.")
    boxes: list[Box] = Field(default_factory=list, description="Where.")
    label: str = Field("", description="A text.")
    slow: bool = Field(False, description="Whether to take time.")

    @field_validator("label")
    @classmethod
    def _not_bad(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("'bad' is a bad label")
        if value == "broken":
            raise KeyError("oh")
        return value


class Work(Stage[Any]):
    def run(self, items: Any) -> Any:
        return items

    def frames(self) -> Any:
        yield from ()


def stage_class(name: str, **traits: Any) -> type[Stage[Any]]:
    for key in {"needs", "gives", "ends"} & traits.keys():
        traits[key] = frozenset(traits[key].split())
    return type(name.title().replace("_", ""), (Work,), {"name": name, **traits})


class Chosen(Work):
    """Gives what its options say."""

    name = "chosen"
    Config = AlignConfig

    @property
    def gives(self) -> Any:
        return frozenset({"crops"}) if self.config.faces == "largest" else frozenset()


STAGES = [
    stage_class("face_detect", works_on="frames", gives="faces"),
    stage_class("face_align", works_on="frames", needs="faces", gives="crops", Config=AlignConfig),
    stage_class("paint", Config=PaintConfig),
    stage_class("paste_back", works_on="frames", needs="crops", ends="crops"),
    stage_class("split_faces", works_on="frames", needs="crops", ends="crops"),
    stage_class("sample", works_on="source"),
    stage_class("invert", extra="train"),
    Chosen,
]


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.register(SimpleNamespace(henshin_stages=hookimpl(henshin_stages)), "test")
    return made


def henshin_stages() -> list[type[Stage[Any]]]:
    return STAGES


class Store:
    """Knows one model, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Path | None]] = []

    def problem(self, name: str, base: Path | None = None, option: Any = None) -> MissingError | None:
        self.asked.append((name, base))
        return None if name == "anime" else MissingError(f"no model named '{name}'; did you mean 'anime'?")


Loader = Callable[..., Pipeline]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def read(tmp_path: Path, registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch) -> Loader:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("henshin.pipeline.checks.model_problem", Store.problem)

    def load_text(text: str | bytes, *overrides: str) -> Pipeline:
        data = text.encode() if isinstance(text, str) else text
        Path("p.yaml").write_bytes(data)
        return load("p.yaml", registry, store, overrides)  # type: ignore[arg-type]

    return load_text


def wrong(read: Loader, text: str | bytes, *overrides: str) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        read(text, *overrides)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(caught.value.problems)
    return lines


WHOLE = """\
name: whole
description: Everything in its place.
stages:
  - use: face_detect
  - use: face_align
    size: 64
    feather: 1e-1
    sides: [3, 4]
  - use: paint
    model: anime
  - use: paste_back
"""

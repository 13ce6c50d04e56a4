"""How the options of plugins are put into words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from henshin.cli.commands.plugins import describe_options

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Inner(BaseModel):
    a: str = Field(description="First.")
    size: int = Field(64, ge=32, le=1024, multiple_of=4, description="Side.")


class Outer(BaseModel):
    data: Inner = Field(description="Pictures.")
    most: int | None = Field(None, ge=1, description="At most.")
    side: int | Literal["auto"] = Field("auto", ge=12, description="Least side.")
    share: float = Field(0.5, gt=0, le=1, description="Share.")
    name: Annotated[str, Field(min_length=1)] | None = Field(None, description="Name.")
    none: Literal["none", "some"] = Field("none", description="A word.")
    table: dict[str, Annotated[int, Field(ge=1)]] = Field({}, description="By name.")
    taps: tuple[int, ...] = Field((1, 2), min_length=1, max_length=3, description="Taps.")
    pair: tuple[Share, Share] = Field((0.1, 0.2), description="Two.")
    mixed: tuple[Share, str] = Field((0.1, "a"), description="One of each.")


def test_options_in_words() -> None:
    rows = {row.name: (row.type, row.default, row.description) for row in describe_options(Outer)}
    assert rows == {
        "data": ("table", "required", "Pictures."),
        "data.a": ("text", "required", "First."),
        "data.size": ("integer 32 to 1024, a multiple of 4", "64", "Side."),
        "most": ("integer >= 1 or null", "null", "At most."),
        "side": ("integer >= 12 or auto", "auto", "Least side."),
        "share": ("number > 0, <= 1", "0.5", "Share."),
        "name": ("text (not empty) or null", "null", "Name."),
        "none": ("none, some", "none", "A word."),
        "table": ("table of integer >= 1", "{}", "By name."),
        "taps": ("list of integer (not empty, at most 3 items)", "[1, 2]", "Taps."),
        "pair": ("list of number 0.0 to 1.0 (at least 2 items, at most 2 items)", "[0.1, 0.2]", "Two."),
        "mixed": (
            "list of number 0.0 to 1.0 or text (at least 2 items, at most 2 items)",
            '[0.1, "a"]',
            "One of each.",
        ),
    }


def test_every_option_of_henshins_own_has_a_type_and_a_meaning() -> None:
    from henshin.registry import build_registry

    registry = build_registry()
    for things in (registry.stages, registry.generators, registry.recipes):
        for name, thing in things.items():
            for row in describe_options(thing.Config):
                assert row.type, (name, row.name)
                assert row.description, (name, row.name)
                assert "anything" not in row.type, (name, row.name)

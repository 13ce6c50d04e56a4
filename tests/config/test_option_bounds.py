"""Every number that a built-in plugin takes has a lowest and a highest value: a slip of the pen is told, not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from henshin.config.validation import models_in
from henshin.registry import build_registry

REGISTRY = build_registry()


def numbers(annotation: Any, marks: list[Any]) -> Iterator[list[Any]]:
    """The marks of every number within an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        more = [inner for one in arguments[1:] for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
        yield from numbers(arguments[0], [*marks, *more])
    elif annotation in (int, float):
        yield marks
    elif origin is not Literal:
        for argument in arguments:
            yield from numbers(argument, marks)


def unbounded(config: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in config.model_fields.items():
        for marks in numbers(field.annotation, list(field.metadata)):
            low = any(isinstance(mark, annotated_types.Ge | annotated_types.Gt) for mark in marks)
            high = any(isinstance(mark, annotated_types.Le | annotated_types.Lt) for mark in marks)
            if not (low and high):
                yield prefix + name
        for inner in models_in(field.annotation):
            yield from unbounded(inner, f"{prefix}{name}.")


@pytest.mark.parametrize(("kind", "name"), sorted(REGISTRY.owners))
def test_every_number_is_bounded_on_both_sides(kind: str, name: str) -> None:
    assert list(unbounded(getattr(REGISTRY, kind)(name).Config)) == []


def test_all_built_in_plugins_register() -> None:
    assert REGISTRY.problems == []
    assert {"cut", "ugatit", "cyclegan", "pix2pix", "dcgan", "cartoongan"} <= set(REGISTRY.recipes)


def test_the_test_sees_an_open_end() -> None:
    class Inner(BaseModel):
        low: int = 3

    class Loose(BaseModel):
        inner: Inner
        either: float | Literal["auto"] = "auto"

    assert list(unbounded(Loose)) == ["inner.low", "either"]

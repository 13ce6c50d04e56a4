"""The checks of plugin classes: rules that return a problem in a few words, or None."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, get_args

from pydantic import BaseModel

from henshin.api.generator import Generator, GeneratorConfig
from henshin.api.recipe import Recipe, RecipeConfig
from henshin.api.stage import Extra, Stage, StageConfig, Works
from henshin.config.validation import models_in
from henshin.models.contract import ChannelOrder, Kind
from henshin.text import flatten

FLOWS = frozenset({"faces", "crops", "latents"})
"""The flows that a stage may give to later ones. Latents may have a name: "latents:NAME"."""

EXTRAS = {"train": "torch", "heic": "pillow_heif"}
"""The extras of henshin that a stage may need, each with a package by which an installed one is recognised."""

NAME = re.compile(r"[a-z0-9_-]+")
_NAMED = re.compile(r"latents:.+", re.DOTALL)

Rule = Callable[[Any], str | None]
"""Takes a class or an instance; the rules for names and options take only classes."""


def class_problem(kind: str, cls: object, trusted: bool = False) -> str | None:
    """Return the problem with a value that a hook returned, or None.

    ``kind`` is "stage", "generator" or "recipe". The text begins with the name of the class and fits in one line. The
    Config of a ``trusted`` class is not built: that takes milliseconds each, and pydantic does it at first use.
    """
    base, config_base, reserved, rules = _CONTRACTS[kind]
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        return f"{_display_name(cls)} is not a subclass of henshin.{base.__name__}"
    for rule in (_name, lambda c: _config(c, config_base, reserved, trusted), *rules):
        problem = rule(cls)
        if problem:
            return f"{cls.__name__} {problem}"
    return None


def instance_problem(kind: str, instance: Any) -> str | None:
    """Return the problem with the properties of a stage or generator under its options, or None."""
    for rule in _CONTRACTS[kind][3]:
        problem = rule(instance)
        if problem:
            return f"{instance.name} {problem}"
    return None


def flow_problem(value: object) -> str | None:
    """Return the problem with a value of ``needs``, ``gives`` or ``ends``, or None."""
    if not isinstance(value, frozenset | set | tuple | list):
        return f"is {value!r}; it must be a set, such as frozenset({{'crops'}})"
    unknown = [item for item in value if item not in FLOWS and not _NAMED.fullmatch(str(item))]
    return f"holds {unknown[0]!r}; it may hold {', '.join(sorted(FLOWS))} and latents:NAME" if unknown else None


def extra_of(value: object) -> Extra | None:
    """Return the optional dependencies in a stage's ``extra``; None without any, and for an invalid value."""
    if isinstance(value, str) and value in EXTRAS:
        return Extra(f"henshin[{value}]", EXTRAS[value])
    return value if isinstance(value, Extra) and value.install and value.module.isidentifier() else None


def undescribed_option(config: type[BaseModel], within: tuple[type[BaseModel], ...] = ()) -> str | None:
    """Return the first option without a description, nested ones (`data.size`) included, or None."""
    for name, field in config.model_fields.items():
        called = field.alias or name
        if not (field.description or "").strip():
            return called
        for inner in models_in(field.annotation):
            found = None if inner in (config, *within) else undescribed_option(inner, (config, *within))
            if found:
                return f"{called}.{found}"
    return None


def static_value(cls: Any, name: str) -> tuple[bool, Any]:
    """Return (True, value) of a class attribute, or (False, None) for a property, which needs the options.

    For an instance, which has its options, return (True, value) in either case.
    """
    found = inspect.getattr_static(cls, name, None)
    if inspect.isclass(cls) and isinstance(found, property | cached_property):
        return False, None
    return True, getattr(cls, name, None)


def _display_name(value: object) -> str:
    return value.__name__ if inspect.isclass(value) else f"{value!r:.60}"


def _name(cls: type[Any]) -> str | None:
    name = getattr(cls, "name", None)
    if name is None:
        return 'has no name; say name = "..."'
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"has the name {name!r}; a name is a text of a-z, 0-9, _ and - only"
    return None


def _config(cls: type[Any], base: type[BaseModel], reserved: str, trusted: bool) -> str | None:
    config = getattr(cls, "Config", None)
    if not (inspect.isclass(config) and issubclass(config, base)):
        return f"has no usable Config: {_display_name(config)} is not a subclass of henshin.{base.__name__}"
    for wanted in _config_arguments(cls, base):
        if not issubclass(config, wanted):
            return (
                f"is written for {wanted.__name__}, but its Config is {config.__name__}; say Config = {wanted.__name__}"
            )
    if config.model_config.get("extra") != "forbid":
        return f'has a Config that lets unknown options pass; {config.__name__} must keep extra="forbid"'
    if not config.__pydantic_complete__ and not trusted:
        try:
            config.model_rebuild()
        except Exception as error:
            return f"has a Config that pydantic cannot complete: {flatten(error)[:120]}"
    return _options(config, reserved)


def _options(config: type[BaseModel], reserved: str) -> str | None:
    names = {field.alias or name for name, field in config.model_fields.items()}
    if reserved in names:
        return f"has an option '{reserved}', which the YAML itself uses"
    undescribed = undescribed_option(config)
    if undescribed:
        return (
            f"has an option '{undescribed}' without a description; say Field(..., description=...) in {config.__name__}"
        )
    return None


def _config_arguments(cls: type[Any], base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the type arguments of base classes (``Stage[MyConfig]``), to detect a missing ``Config = MyConfig``."""
    for parent in getattr(cls, "__orig_bases__", ()):
        for argument in get_args(parent):
            if inspect.isclass(argument) and issubclass(argument, base):
                yield argument


def _one_of(cls: type[Any], attribute: str, choices: tuple[Any, ...]) -> str | None:
    known, value = static_value(cls, attribute)
    if known and value not in choices:
        return f"has {attribute} = {value!r}; it must be one of {', '.join(map(repr, choices))}"
    return None


def _stage_extra(cls: type[Any]) -> str | None:
    known, value = static_value(cls, "extra")
    if known and value is not None and extra_of(value) is None:
        example = 'henshin.api.stage.Extra("PACKAGE[EXTRA]", "MODULE")'
        return f"has extra = {value!r}; it must be None, one of {', '.join(map(repr, EXTRAS))}, or {example}"
    return None


def _stage_flow(cls: type[Any]) -> str | None:
    for attribute in ("needs", "gives", "ends"):
        known, value = static_value(cls, attribute)
        problem = flow_problem(value) if known else None
        if problem:
            return f"has a wrong {attribute}: it {problem}"
    return None


def _stage_work(cls: type[Any]) -> str | None:
    known, works_on = static_value(cls, "works_on")
    method = "frames" if works_on == "source" else "run"
    if known and inspect.getattr_static(cls, method) is inspect.getattr_static(Stage, method):
        return f"works on {works_on} and has no {method}()"
    return None


def _at_least(cls: type[Any], attribute: str, least: int) -> str | None:
    known, value = static_value(cls, attribute)
    if known and not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        return f"has {attribute} = {value!r}; it must be a whole number of at least {least}"
    return None


def _stage_threads(cls: type[Any]) -> str | None:
    return _one_of(cls, "concurrent", (False, True)) or _at_least(cls, "at_once", 1)


def _generator_numbers(cls: type[Any]) -> str | None:
    known, reach = static_value(cls, "reach")
    if known and reach != "global":
        problem = _at_least(cls, "reach", 0)
        if problem:
            return f'{problem}, or "global"'
    limited = static_value(cls, "maximum_size")[1] is not None
    attributes = ("size_multiple", "scale", "maximum_size") if limited else ("size_multiple", "scale")
    return next((problem for one in attributes if (problem := _at_least(cls, one, 1))), None)


def _generator_range(cls: type[Any]) -> str | None:
    known, value = static_value(cls, "value_range")
    good = isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int | float) for v in value)
    if known and not (good and value[0] < value[1]):
        return f"has value_range = {value!r}; it must be two numbers, the lower first"
    return None


def _generator_build(cls: type[Any]) -> str | None:
    if cls.build is Generator.build and cls.parts is Generator.parts:
        return "has no build()"
    return None


def _recipe_train(cls: type[Any]) -> str | None:
    return "has no train()" if cls.train is Recipe.train else None


_CONTRACTS: dict[str, tuple[type[Any], type[BaseModel], str, tuple[Rule, ...]]] = {
    "stage": (
        Stage,
        StageConfig,
        "use",
        (
            lambda cls: _one_of(cls, "works_on", get_args(Works)),
            _stage_flow,
            _stage_extra,
            _stage_work,
            _stage_threads,
        ),
    ),
    "generator": (
        Generator,
        GeneratorConfig,
        "use",
        (
            lambda cls: _one_of(cls, "kind", get_args(Kind)),
            lambda cls: _one_of(cls, "channel_order", get_args(ChannelOrder)),
            _generator_range,
            _generator_numbers,
            _generator_build,
        ),
    ),
    "recipe": (Recipe, RecipeConfig, "recipe", (_recipe_train,)),
}

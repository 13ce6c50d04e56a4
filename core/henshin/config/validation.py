"""Validation of YAML against pydantic models. Each problem is one line, with its place in the file and a correction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from henshin.config.options import OptionPath
from henshin.config.yaml_reader import Node, Position, to_python
from henshin.errors import Problem
from henshin.text import did_you_mean, near_or_all, one_line, quote

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def validate(
    config_class: type[ConfigT], node: Node, where: str, prefix: str = "", leave_out: Collection[str] = ()
) -> tuple[ConfigT | None, list[Problem]]:
    """Return the configuration that a YAML mapping gives, or None, with all problems.

    ``where`` names the file; ``prefix`` is the owner of the options (a stage's name, or "" for a whole file);
    ``leave_out`` holds the keys of the mapping that are not options (``use``). An option that comes from ``--set`` is
    reported with that as its place.
    """
    data = {key: to_python(child) for key, child in node.mapping.items() if key not in leave_out}
    if not isinstance(node.value, dict) and node.value is not None:
        what = f"{format_value(to_python(node))} is not a mapping of options"
        return None, [_problem(where, node.position, prefix, what)]
    try:
        config = config_class.model_validate(data)
    except ValidationError as error:
        return None, _to_problems(error, config_class, node, where, prefix)
    except Exception as error:  # an error inside a plugin's validator must not look like an error of the engine
        return None, [_problem(where, node.position, prefix, f"its checks failed: {one_line(error)}")]
    problems = [
        _problem(where, node.key_position(key), label(prefix, (key,)), f"{format_value(value)} is not a number")
        for key, value in data.items()
        if isinstance(value, bool) and type(getattr(config, key, None)) in (int, float)
    ]
    return (None if problems else config), problems


def option_error(path: tuple[str, ...], value: object, message: str) -> ValidationError:
    """Return the error of one option among others, so that it is reported with that option's own line.

    For a validator that compares several options; ``path`` leads to the option from the model that is validated.
    The report reads "VALUE MESSAGE".
    """
    error = PydanticCustomError("value_error", "{value} {message}", {"value": value, "message": message})
    return ValidationError.from_exception_data(path[0], [{"type": error, "loc": path, "input": value}])


def locate(node: Node, location: Sequence[str | int]) -> tuple[OptionPath, Position, Node]:
    """Follow a path of keys and indices. Return the part of the path that exists, its position and its value.

    Steps that do not exist are skipped: pydantic's locations also name the members of a union.
    """
    path: list[str | int] = []
    position = node.position
    for step in location:
        if isinstance(step, str) and step in node.mapping:
            position, node = node.key_position(step), node.mapping[step]
        elif isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            position = node.position
        else:
            continue
        path.append(step)
    return tuple(path), position, node


def format_value(value: object) -> str:
    """Return a value as YAML writes it, in at most about 60 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "a mapping"
    text = f"{value:.12g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _problem(where: str, position: Position, name: str, message: str) -> Problem:
    return Problem(position.where or where, position.line, f"{name}: {message}" if name else message)


def label(prefix: str, path: OptionPath) -> str:
    """Return the name of an option in a problem: ``stage.option``, ``data.size``, ``rows[1].x`` (counted from 1)."""
    text = prefix
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step}" if text else step
    return text


def _to_problems(
    error: ValidationError, config_class: type[BaseModel], node: Node, where: str, prefix: str
) -> list[Problem]:
    """Turn pydantic's errors into problems. The errors of all members of one union become one problem."""
    groups: dict[OptionPath, list[tuple[Any, Position]]] = {}
    through_union: set[OptionPath] = set()
    for detail in error.errors(include_url=False):
        path, position, _ = locate(node, detail["loc"])
        if detail["type"] == "missing":
            path = (*path, detail["loc"][-1])
        elif len(detail["loc"]) > len(path):
            through_union.add(path)
        groups.setdefault(path, []).append((detail, position))
    for path in [path for path in groups if path and _is_misspelt(path, groups, config_class)]:
        del groups[path]
    problems = []
    for path, errors in groups.items():
        deeper = any(other[: len(path)] == path and len(other) > len(path) for other in groups)
        if not (deeper and path in through_union):
            message = _message(errors, config_class, path)
            problems.append(_problem(where, errors[0][1], label(prefix, path), message))
    return problems


def _is_misspelt(
    path: OptionPath, groups: Mapping[OptionPath, Sequence[tuple[Any, Position]]], config_class: type[BaseModel]
) -> bool:
    """Return whether an option is missing only because a sibling is its misspelt name, which has its own problem."""
    if {detail["type"] for detail, _ in groups[path]} != {"missing"}:
        return False
    meant = did_you_mean(str(path[-1]), [str(path[-1])])
    return any(
        other[:-1] == path[:-1]
        and {detail["type"] for detail, _ in errors} == {"extra_forbidden"}
        and _no_such_option(config_class, other).endswith(meant)
        for other, errors in groups.items()
        if other
    )


def _message(errors: Sequence[tuple[Any, Position]], config_class: type[BaseModel], path: OptionPath) -> str:
    kinds = {detail["type"] for detail, _ in errors}
    if "extra_forbidden" in kinds:
        return _no_such_option(config_class, path)
    if "missing" in kinds:
        return _missing(config_class, path)
    first = errors[0][0]
    if len(errors) == 1:
        what, right = _describe(first)
        if str(first["input"]).lower() == "none" and _may_be_null(config_class, path):
            right = f"{right + ', or ' if right else 'for none write '}null"
        return f"{what}; {right}" if right else what
    rights = [right or what for what, right in map(_expected, (detail for detail, _ in errors))]
    return f"{format_value(first['input'])} is not right; {' or '.join(dict.fromkeys(rights))}"


def _no_such_option(config_class: type[BaseModel], path: OptionPath) -> str:
    models = list(_models_at(config_class, path[:-1]))
    if new := _new_names(models).get(str(path[-1])):
        return f"now {new}"
    names = {field.alias or name for model in models for name, field in model.model_fields.items()}
    return f"no such option{near_or_all(str(path[-1]), names)}" if names else "no such option; there are no options"


def _new_names(models: Iterable[type[BaseModel]]) -> dict[str, str]:
    """Return {former name: name} of the options of these models, from ``renamed`` of their classes and base classes."""
    classes = [cls for model in models for cls in reversed(model.__mro__)]
    return {old: new for cls in classes for old, new in vars(cls).get("renamed", {}).items()}


def _missing(config_class: type[BaseModel], path: OptionPath) -> str:
    for model in _models_at(config_class, path[:-1]):
        field = _field(model, str(path[-1]))
        if field is not None and field.description:
            return f"is missing; it must be given: {field.description}"
    return "is missing; it must be given"


_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping of options",
    "model_attributes": "a mapping of options",
    "path": "a path",
    "finite_number": "a finite number",
}

# pydantic's type of error -> (problem, correction); the names in braces are keys of the error's context.
_BOUNDS = {
    "greater_than_equal": ("is too small", "at least {ge}"),
    "greater_than": ("is too small", "more than {gt}"),
    "less_than_equal": ("is too large", "at most {le}"),
    "less_than": ("is too large", "less than {lt}"),
    "multiple_of": ("does not fit", "a multiple of {multiple_of}"),
    "string_too_short": ("is too short", "at least {min_length} characters"),
    "string_too_long": ("is too long", "at most {max_length} characters"),
    "string_pattern_mismatch": ("does not fit", "a text that matches {pattern}"),
    "too_short": ("has too few items", "at least {min_length}"),
    "too_long": ("has too many items", "at most {max_length}"),
    "literal_error": ("is not known", "{expected}"),
    "enum": ("is not known", "{expected}"),
}


def _describe(error: Any) -> tuple[str, str]:
    """Return the problem of one value and the correction ("" where the problem already contains it)."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"])), ""
    # NaN fails whichever bound is checked first; --set gives it as a text.
    if value != value or (kind.startswith(("greater_than", "less_than")) and str(value).strip().lower() == "nan"):
        return "nan is not a number", ""
    if kind in _BOUNDS:
        what, right = _BOUNDS[kind]
        context = {key: format_value(bound) if isinstance(bound, float) else bound for key, bound in context.items()}
        return f"{format_value(value)} {what}", right.format(**context) + _near_choice(kind, value, context)
    noun = _noun(kind)
    if noun and value is None:
        return "has no value", f"{noun} is wanted"
    if noun:
        hint = "put it in quotes" if noun == "a text" and isinstance(value, int | float) else ""
        return f"{format_value(value)} is not {noun}", hint
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _expected(error: Any) -> tuple[str, str]:
    """Return the problem of one member of a union, and the value that the member accepts."""
    what, right = _describe(error)
    return what, _noun(error["type"]) or right


def _noun(kind: str) -> str:
    for ending in ("_type", "_parsing", "_from_float", "_parsing_size", ""):
        if kind.endswith(ending) and kind.removesuffix(ending) in _NOUNS:
            return _NOUNS[kind.removesuffix(ending)]
    return ""


def _near_choice(kind: str, value: object, context: dict[str, Any]) -> str:
    if kind not in ("literal_error", "enum") or not isinstance(value, str):
        return ""
    choices = str(context["expected"]).replace(" or ", ", ").split(", ")
    return did_you_mean(value, [choice.strip("'") for choice in choices])


def _may_be_null(config_class: type[BaseModel], path: OptionPath) -> bool:
    fields = [_field(model, str(path[-1])) for model in _models_at(config_class, path[:-1])] if path else []
    return any(field is not None and NoneType in get_args(field.annotation) for field in fields)


def _field(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field
    return None


def _models_at(config_class: type[BaseModel], path: OptionPath) -> Iterator[type[BaseModel]]:
    """Yield the pydantic models that a path of keys may lead to (indices stay within the same annotation)."""
    models = [config_class]
    for step in path:
        if isinstance(step, str):
            fields = [_field(model, step) for model in models]
            models = [inner for field in fields if field is not None for inner in models_in(field.annotation)]
    yield from models


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the pydantic models that a value of this type may be or contain."""
    if get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)

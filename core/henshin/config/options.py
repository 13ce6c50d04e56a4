"""Options whose types bear a mark (`FileName`, `ModelName`, `FolderName`, ...), found beside their values."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Field

MarkerT = TypeVar("MarkerT")

ModelT = TypeVar("ModelT", bound=BaseModel)

OptionPath = tuple[str | int, ...]


def find_options(
    config: BaseModel, kind: type[MarkerT], of: type[Any] = str
) -> Iterator[tuple[OptionPath, Any, MarkerT]]:
    """Yield (path, value, mark) of every option, also within others, whose type bears a mark of this kind.

    Values that are no ``of`` are passed over: a text that names a folder may also be null, or a list of texts.
    """
    for key, field in type(config).model_fields.items():
        for rest, value, mark in _find_in(_full_annotation(field), getattr(config, key), kind, None, of):
            yield (field.alias or key, *rest), value, mark


def option_markers(config: type[BaseModel], kind: type[MarkerT]) -> Iterator[MarkerT]:
    """Yield the marks of this kind that the types of a configuration's options bear, whatever their values may be."""
    for field in config.model_fields.values():
        yield from _markers_in(_full_annotation(field), kind)


def _markers_in(annotation: Any, kind: type[MarkerT]) -> Iterator[MarkerT]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from (one for one in arguments[1:] if isinstance(one, kind))
        arguments = arguments[:1]
    if get_origin(annotation) is not Literal:
        for argument in arguments:
            yield from _markers_in(argument, kind)


def find_option_values(config: type[BaseModel], values: Mapping[str, Any], kind: type[MarkerT]) -> Iterator[Any]:
    """Yield what ``find_options`` does from plain values, as JSON keeps them, even where some are no longer valid."""
    for key, field in config.model_fields.items():
        called = key if key in values else field.alias or key
        if called in values:
            for rest, value, mark in _find_in(_full_annotation(field), values[called], kind, None, str):
                yield (called, *rest), value, mark


def find_models(value: Any, kind: type[ModelT], path: OptionPath = ()) -> Iterator[tuple[OptionPath, ModelT]]:
    """Yield (path, model) of every model of this kind that a configuration holds, itself included."""
    if isinstance(value, BaseModel):
        if isinstance(value, kind):
            yield path, value
        for key, field in type(value).model_fields.items():
            yield from find_models(getattr(value, key), kind, (*path, field.alias or key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from find_models(item, kind, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find_models(item, kind, (*path, key))


def _full_annotation(field: Any) -> Any:
    """The annotation of a field with the marks that pydantic took off it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _find_in(annotation: Any, value: Any, kind: type[Any], mark: Any, of: type[Any]) -> Iterator[Any]:
    """Follow an annotation and a value side by side down to the values that are marked."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [one() if one is kind else one for one in arguments[1:]]
        mark = next((one for one in marks if isinstance(one, kind)), mark)
        yield from _find_in(arguments[0], value, kind, mark, of)
    elif origin in (Union, types.UnionType):
        if not any(get_origin(one) is Literal and value in get_args(one) for one in arguments):
            found = (item for one in arguments for item in _find_in(one, value, kind, mark, of))
            yield from {(path, own): (path, item, own) for path, item, own in found}.values()
    elif isinstance(value, of):
        if mark is not None and origin is not Literal and annotation is not types.NoneType:
            yield (), value, mark
    else:
        yield from _find_in_container(annotation, value, kind, mark, of)


def _find_in_container(annotation: Any, value: Any, kind: type[Any], mark: Any, of: type[Any]) -> Iterator[Any]:
    """The same for what a model, a list or a mapping holds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, BaseModel):
        yield from find_options(value, kind, of)
    elif isinstance(value, list | tuple | set | frozenset):
        inner = [one for one in arguments if one is not Ellipsis] or [of]
        for index, item in enumerate(value):
            of_item = inner[index] if origin is tuple and index < len(inner) else inner[-1]
            found = _find_in(of_item, item, kind, mark, of)
            yield from (((index, *rest), one, own) for rest, one, own in found)
    elif isinstance(value, dict) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from find_option_values(annotation, value, kind)
    elif isinstance(value, dict):
        of_item = arguments[1] if len(arguments) == 2 else of
        for key, item in value.items():
            yield from (((key, *rest), one, own) for rest, one, own in _find_in(of_item, item, kind, mark, of))


@dataclass(frozen=True, slots=True)
class FolderOption:
    """Marks an option of a recipe whose value is a folder, relative to the run's YAML.

    That it is there is checked before anything runs; with ``pictures`` also that it holds some. A model says of it
    its last name alone, for where pictures lie is nobody's business.
    """

    pictures: bool = True


FolderName = Annotated[str, FolderOption()]
"""A folder of pictures that a recipe reads; ``run.folders(value)`` gives its path."""

FolderNames = FolderName | Annotated[tuple[FolderName, ...], Field(min_length=1)]
"""One such folder, or a list of them."""


@dataclass(frozen=True, slots=True)
class StartOption:
    """Marks an option that names weights to begin with; that they are there is checked before anything runs."""


StartName = Annotated[str, StartOption()]
"""A run's folder, or a .safetensors file, relative to the run's YAML; ``run.place(value)`` gives its path."""


@dataclass(frozen=True, slots=True)
class ModelOption:
    """Marks an option whose value names a model, so that a missing one is told before anything runs.

    Without ``contract`` any listed ONNX network will do, such as a detector that a stage itself knows how to feed.
    ``kind`` is the only kind that will do ("translator", "sampler", "mapping", "synthesis", "encoder", "detector"),
    also as NAME of NAME-mapping and NAME-synthesis; ``enlarges`` says that it must give larger pictures than it takes;
    others are refused beforehand. ``scale`` names the option beside it that says how many times larger: more than the
    model offers is refused as well. ``trained`` says that the path of weights will do too, a training run's folder or a
    .safetensors file, which the stage itself makes use of.
    """

    contract: bool = True
    kind: str | None = None
    enlarges: bool = False
    scale: str | None = None
    trained: bool = False


ANY_MODEL = ModelOption()


@dataclass(frozen=True, slots=True)
class AmountOption:
    """Marks an option that says how many results there are and nothing of what each is: changed, none is redone."""


@dataclass(frozen=True, slots=True)
class FileOption:
    """Marks an option whose value is the path of a file: what is in it counts, so work is redone when it changes.

    That it is there is checked beforehand; with ``picture`` also that it can be read as one.
    """

    picture: bool = False


ModelName = Annotated[str, ANY_MODEL]
"""A model's name, or the path of an .onnx file (in a YAML relative to that file)."""

TranslatorName = Annotated[str, ModelOption(kind="translator")]
"""The same, of a model that turns pictures into pictures."""

FileName = Annotated[str, FileOption()]
"""The path of a file that a stage reads, relative to the pipeline's file: ``context.base / name``."""

PictureName = Annotated[str, FileOption(picture=True)]
"""The same, of a picture."""

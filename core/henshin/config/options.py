"""Option types (`FileName`, `ModelName`, `FolderName`, `Names`, ...), and the search for marked options.

A marker in the annotation of an option (`Annotated[str, FileOption()]`) says what its text names.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

MarkerT = TypeVar("MarkerT")

ModelT = TypeVar("ModelT", bound=BaseModel)

NameT = TypeVar("NameT", bound=str)

OptionPath = tuple[str | int, ...]

STAGE_SCHEMA = {"type": "object", "title": "stage"}
"""The schema of a stage in an option; that of a whole pipeline has the schemas of all stages in its place."""


def find_options(
    config: BaseModel, kind: type[MarkerT], of: type[Any] = str
) -> Iterator[tuple[OptionPath, Any, MarkerT]]:
    """Yield (path, value, marker) of every option whose type has a marker of this kind, nested options included.

    Only values of the type ``of`` count: an option that names a folder may also be null, or a list of texts.
    """
    for key, field in type(config).model_fields.items():
        for rest, value, marker in _find_in(full_annotation(field), getattr(config, key), kind, None, of):
            yield (field.alias or key, *rest), value, marker


def option_markers(config: type[BaseModel], kind: type[MarkerT]) -> Iterator[MarkerT]:
    """Yield the markers of this kind in the types of a configuration's options, nested options included."""
    for field in config.model_fields.values():
        yield from markers_in(full_annotation(field), kind)


def markers_in(annotation: Any, kind: type[MarkerT]) -> Iterator[MarkerT]:
    """Yield the markers of this kind in a type, those of its parts included."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from (argument for argument in arguments[1:] if isinstance(argument, kind))
        arguments = arguments[:1]
    if get_origin(annotation) is not Literal:
        for argument in arguments:
            yield from markers_in(argument, kind)


def find_option_values(config: type[BaseModel], values: Mapping[str, Any], kind: type[MarkerT]) -> Iterator[Any]:
    """Yield what ``find_options`` yields, from plain values as JSON holds them. Invalid values are allowed."""
    for key, field in config.model_fields.items():
        name = key if key in values else field.alias or key
        if name in values:
            for rest, value, marker in _find_in(full_annotation(field), values[name], kind, None, str):
                yield (name, *rest), value, marker


def find_models(value: Any, kind: type[ModelT], path: OptionPath = ()) -> Iterator[tuple[OptionPath, ModelT]]:
    """Yield (path, model) of every pydantic model of this kind in a configuration, itself included."""
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


def full_annotation(field: Any) -> Any:
    """Return the annotation of a field, with the metadata that pydantic separates from it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _find_in(annotation: Any, value: Any, kind: type[Any], marker: Any, of: type[Any]) -> Iterator[Any]:
    """Walk an annotation and its value together; yield (path, value, marker) of each marked value."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        metadata = [item() if item is kind else item for item in arguments[1:]]
        marker = next((item for item in metadata if isinstance(item, kind)), marker)
        yield from _find_in(arguments[0], value, kind, marker, of)
    elif origin in (Union, types.UnionType):
        if not any(get_origin(member) is Literal and value in get_args(member) for member in arguments):
            found = (item for member in arguments for item in _find_in(member, value, kind, marker, of))
            yield from {(path, own): (path, item, own) for path, item, own in found}.values()
    elif isinstance(value, of):
        if marker is not None and origin is not Literal and annotation is not types.NoneType:
            yield (), value, marker
    else:
        yield from _find_in_container(annotation, value, kind, marker, of)


def _find_in_container(annotation: Any, value: Any, kind: type[Any], marker: Any, of: type[Any]) -> Iterator[Any]:
    """Yield what ``_find_in`` yields for the items of a model, a list or a mapping."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(value, BaseModel):
        yield from find_options(value, kind, of)
    elif isinstance(value, list | tuple | set | frozenset):
        item_types = [argument for argument in arguments if argument is not Ellipsis] or [of]
        for index, item in enumerate(value):
            item_type = item_types[index] if origin is tuple and index < len(item_types) else item_types[-1]
            found = _find_in(item_type, item, kind, marker, of)
            yield from (((index, *rest), part, own) for rest, part, own in found)
    elif isinstance(value, dict) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from find_option_values(annotation, value, kind)
    elif isinstance(value, dict):
        item_type = arguments[1] if len(arguments) == 2 else of
        for key, item in value.items():
            yield from (((key, *rest), part, own) for rest, part, own in _find_in(item_type, item, kind, marker, of))


@dataclass(frozen=True, slots=True)
class FolderOption:
    """Marker of a recipe's option whose value is a folder, relative to the run's YAML.

    The folder must exist before anything runs; with ``pictures`` it must hold pictures. An exported model states only
    the last part of the path, to keep the user's folders private.
    """

    pictures: bool = True


FolderName = Annotated[str, FolderOption()]
"""A folder of pictures that a recipe reads; ``run.folders(value)`` gives its path."""

FolderNames = FolderName | Annotated[tuple[FolderName, ...], Field(min_length=1)]
"""One folder of pictures, or a list of them."""


def _distinct(names: tuple[NameT, ...]) -> tuple[NameT, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice")
    return names


Names: TypeAlias = NameT | Annotated[tuple[NameT, ...], Field(min_length=1), AfterValidator(_distinct)]
"""One name, or a list of different ones: `Names[Literal["patch", "plain"]]`. `all_names(value)` gives them all."""


def all_names(value: NameT | tuple[NameT, ...]) -> tuple[NameT, ...]:
    """Return the names of an option of the type `Names`."""
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class StartOption:
    """Marker of an option that names initial weights. They must exist before anything runs."""


StartName = Annotated[str, StartOption()]
"""A run's folder, or a .safetensors file, relative to the run's YAML; ``run.place(value)`` gives its path."""


@dataclass(frozen=True, slots=True)
class ModelOption:
    """Marker of an option whose value names a model. A missing or unsuitable model is refused before anything runs.

    ``contract``: the model needs a contract; otherwise any listed ONNX network is accepted, such as a detector that the
    stage itself knows how to feed. ``kind``: the only kind accepted ("translator", "sampler", "mapping", "synthesis",
    "encoder", "detector"), also as NAME of NAME-mapping and NAME-synthesis. ``enlarges``: its output must be larger
    than its input. ``scale``: the name of the sibling option that holds the factor; a factor above those of the model
    is refused. ``trained``: the path of weights is accepted too, a training run's folder or a .safetensors file, which
    the stage itself loads.
    """

    contract: bool = True
    kind: str | None = None
    enlarges: bool = False
    scale: str | None = None
    trained: bool = False


ANY_MODEL = ModelOption()


@dataclass(frozen=True, slots=True)
class AmountOption:
    """Marker of an option that only sets the number of results: when it changes, finished results stay valid."""


@dataclass(frozen=True, slots=True)
class FileOption:
    """Marker of an option whose value is the path of a file. Results are made anew when the file's content changes.

    The file must exist before anything runs; with ``picture`` it must be a readable picture.
    """

    picture: bool = False


ModelName = Annotated[str, ANY_MODEL]
"""A model's name, or the path of an .onnx file (in a YAML relative to that file)."""

TranslatorName = Annotated[str, ModelOption(kind="translator")]
"""A model name or path as in ``ModelName``, of a model that turns pictures into pictures."""

FileName = Annotated[str, FileOption()]
"""The path of a file that a stage reads, relative to the pipeline's file: ``context.base / name``."""

PictureName = Annotated[str, FileOption(picture=True)]
"""The path of a picture, relative to the pipeline's file as in ``FileName``."""


@dataclass(frozen=True, slots=True)
class StagesOption:
    """Marker of a stage's option that holds a list of stages, each as a pipeline has it (`use: NAME` and options)."""


StageList = Annotated[list[dict[str, Any]], StagesOption(), WithJsonSchema({"type": "array", "items": STAGE_SCHEMA})]
"""A list of stages that a stage runs by itself; the loader puts them, made and checked, into ``stage.branches``."""

"""Checks of a run's YAML before any picture is read: networks, picture sizes, folders and initial weights."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from henshin.api.generator import Generator
from henshin.api.recipe import EvaluatedConfig, NetworkChoice, NetworkOption, RecipeConfig
from henshin.api.training_data import FolderData, PairedData, PictureData
from henshin.config.options import FolderOption, OptionPath, StartOption, find_models, find_options
from henshin.config.validation import label, locate, validate
from henshin.config.yaml_reader import Node
from henshin.errors import HenshinError, Problem
from henshin.models.trained_weights import SUFFIX, last_checkpoint
from henshin.registry import Registry
from henshin.text import with_article
from henshin.train.data.folders import (
    HeldOutError,
    folder_sets,
    folders_by_option,
    require_pairs,
    require_pictures,
    resolve_folders,
)
from henshin.train.networks import make_generator
from henshin.train.weights.run_folder import check_run

LEAST_HELD_OUT = 2
"""Held-out pictures of each set that a measurement takes."""


def option_problem(root: Node, path: OptionPath, where: str, message: str) -> Problem:
    """Return a problem with an option, at its line; at the line of its parent if the YAML does not contain it."""
    position = locate(root, tuple(str(step) if isinstance(step, str) else step for step in path))[1]
    return Problem(position.where or where, position.line, f"{label('', path)}: {message}")


def network_problems(config: type[BaseModel], root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Yield the problems of every option that chooses a network, nested ones too, by that generator's own options."""
    for path, node in dict(_network_choices(config, root, ())).items():
        use = node.mapping.get("use")
        if use is None or not isinstance(use.value, str):
            continue
        try:
            generator = registry.generator(use.value)
        except HenshinError as error:
            yield option_problem(root, (*path, "use"), where, str(error))
            continue
        yield from validate(generator.Config, node, where, prefix=label("", path), leave_out=("use",))[1]


def _network_choices(annotation: Any, node: Node, path: OptionPath) -> Iterator[tuple[OptionPath, Node]]:
    """Yield path and node of every network choice, by walking a type and its YAML node together."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Union, types.UnionType):
        for argument in arguments[:1] if origin is Annotated else arguments:
            yield from _network_choices(argument, node, path)
    elif origin is None and isinstance(annotation, type) and issubclass(annotation, NetworkChoice):
        yield path, node
    elif origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            key = field.alias or name
            if key in node.mapping:
                yield from _network_choices(field.annotation, node.mapping[key], (*path, key))
    elif arguments:
        inner = [argument for argument in arguments if argument is not Ellipsis]
        for index, item in enumerate(node.items):
            yield from _network_choices(inner[min(index, len(inner) - 1)], item, (*path, index))
        for key, item in node.mapping.items():
            yield from _network_choices(inner[-1], item, (*path, key))


def fit_problems(config: RecipeConfig, recipe: str, root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Yield the networks that the recipe cannot train, or that cannot take its picture sizes."""
    requirements = {path: marker for path, _, marker in find_options(config, NetworkOption, NetworkChoice)}
    for path, choice in find_models(config, NetworkChoice):
        try:
            generator = make_generator(registry, choice.use, choice.options)
        except HenshinError as error:
            if locate(root, path)[0] != path:  # a default, which network_problems does not see
                yield option_problem(root, path, where, str(error))
            continue
        mismatch = _mismatch(generator, requirements.get(path, NetworkOption()), recipe)
        if mismatch:
            yield option_problem(root, path, where, mismatch)
        elif generator.kind == "translator":
            yield from _size_problems(generator, config.picture_sizes(), root, where)


def _mismatch(generator: Generator[Any], requirement: NetworkOption, recipe: str) -> str | None:
    """Return why a recipe cannot train this generator, or None."""
    if requirement.kind not in (None, generator.kind):
        return f"'{generator.name}' is {with_article(generator.kind)}; {recipe} needs {with_article(requirement.kind)}"
    if requirement.scale == "larger" and generator.scale < 2:
        return f"'{generator.name}' does not enlarge; {recipe} needs a network of scale 2 or more"
    if generator.kind == "translator" and requirement.scale not in (None, "larger", generator.scale):
        return f"'{generator.name}' enlarges by {generator.scale}; {recipe} needs scale {requirement.scale}"
    if requirement.plain and (generator.value_range != (-1.0, 1.0) or generator.channel_order != "RGB"):
        low, high = generator.value_range
        return (
            f"'{generator.name}' speaks {generator.channel_order} in [{low:g}, {high:g}]; {recipe} needs RGB in [-1, 1]"
        )
    return None


def _size_problems(
    generator: Generator[Any], sizes: Mapping[OptionPath, int], root: Node, where: str
) -> Iterator[Problem]:
    multiple, maximum = generator.size_multiple, generator.maximum_size
    for path, size in sizes.items():
        message = f"{size} does not fit generator '{generator.name}'"
        if size % multiple:
            yield option_problem(root, path, where, f"{message}; a multiple of {multiple}")
        elif maximum is not None and size > maximum:
            yield option_problem(root, path, where, f"{message}; at most {maximum}")


def folder_problems(config: RecipeConfig, root: Node, path: Path) -> Iterator[Problem]:
    """Yield the folders that do not exist, or hold no more pictures than are to be held out."""
    data_options: dict[OptionPath, FolderData] = dict(find_models(config, FolderData))
    failed = set()
    for where, (names, marker) in folders_by_option(find_options(config, FolderOption)).items():
        data = data_options.get(where[:-1])
        try:
            folders = resolve_folders(names, path.parent)
            if marker.pictures:
                for folder_set in folder_sets(folders, data is not None and data.separate_sets):
                    require_pictures(folder_set, 0 if data is None else data.hold_out)
        except HenshinError as error:
            failed.add(where[:-1])
            yield _folder_problem(error, where, root, str(path))
    for where, data in data_options.items():
        if isinstance(data, PairedData) and where not in failed:
            try:
                require_pairs(resolve_folders(data.a, path.parent), resolve_folders(data.b, path.parent), data.hold_out)
            except HenshinError as error:
                yield _folder_problem(error, (*where, "b"), root, str(path))


def evaluation_problems(config: RecipeConfig, root: Node, where: str) -> Iterator[Problem]:
    """Yield that a run which is to be measured holds out too few pictures."""
    if not isinstance(config, EvaluatedConfig) or config.evaluate_every is None:
        return
    for path, data in find_models(config, PictureData):
        if data.hold_out < LEAST_HELD_OUT:
            message = (
                f"{data.hold_out} is too few for evaluate_every; at least {LEAST_HELD_OUT}, and 20 to say something"
            )
            yield option_problem(root, (*path, "hold_out"), where, message)


def start_problems(config: RecipeConfig, root: Node, path: Path) -> Iterator[Problem]:
    """Yield the initial weights that are neither a run with a checkpoint nor a .safetensors file."""
    for where, name, _ in find_options(config, StartOption):
        try:
            _check_start(path.parent / Path(name).expanduser())
        except HenshinError as error:
            yield option_problem(root, where, str(path), str(error))


def _check_start(place: Path) -> None:
    """Check that there are weights to begin with. Errors: HenshinError."""
    if place.is_dir():
        check_run(place)
        last_checkpoint(place)
    elif not place.exists():
        raise HenshinError(f"{place}: no such folder or file")
    elif place.suffix != SUFFIX:
        raise HenshinError(f"{place}: neither a run's folder nor a {SUFFIX} file")


def _folder_problem(error: HenshinError, option: OptionPath, root: Node, where: str) -> Problem:
    if isinstance(error, HeldOutError):
        return option_problem(root, (*option[:-1], "hold_out"), where, str(error).removeprefix("hold_out: "))
    return option_problem(root, option, where, str(error))

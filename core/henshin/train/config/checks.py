"""What is checked of a run's YAML before any picture is touched: its networks, its folders, and that they fit."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from henshin.api.generator import Generator
from henshin.api.recipe import NetworkChoice, NetworkOption, RecipeConfig
from henshin.api.training_data import FolderData, PairedData
from henshin.config.options import FolderOption, OptionPath, StartOption, find_models, find_options
from henshin.config.validation import label, locate, validate
from henshin.config.yaml_reader import Node
from henshin.errors import HenshinError, Problem
from henshin.registry import Registry
from henshin.text import with_article
from henshin.train.data.folders import HeldOutError, as_folders, by_option, checked, pairs_in, sets
from henshin.train.networks import make_generator
from henshin.train.weights.checkpoint import found


def problem(root: Node, path: OptionPath, where: str, message: str) -> Problem:
    """A problem with the option at a path, at its line; at that of what it would stand in where it is not written."""
    mark = locate(root, tuple(str(step) if isinstance(step, str) else step for step in path))[1]
    return Problem(mark.where or where, mark.line, f"{label('', path)}: {message}")


def network_problems(config: type[BaseModel], root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Check every option that chooses a network, also within others, against that generator's own options."""
    for path, node in dict(_choices(config, root, ())).items():
        use = node.mapping.get("use")
        if use is None or not isinstance(use.value, str):
            continue
        try:
            generator = registry.generator(use.value)
        except HenshinError as error:
            yield problem(root, (*path, "use"), where, str(error))
            continue
        yield from validate(generator.Config, node, where, prefix=label("", path), leave_out=("use",))[1]


def _choices(annotation: Any, node: Node, path: OptionPath) -> Iterator[tuple[OptionPath, Node]]:
    """Follow a type and what the YAML says side by side, down to the networks that are chosen."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Union, types.UnionType):
        for one in arguments[:1] if origin is Annotated else arguments:
            yield from _choices(one, node, path)
    elif origin is None and isinstance(annotation, type) and issubclass(annotation, NetworkChoice):
        yield path, node
    elif origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            called = field.alias or name
            if called in node.mapping:
                yield from _choices(field.annotation, node.mapping[called], (*path, called))
    elif arguments:
        inner = [one for one in arguments if one is not Ellipsis]
        for index, item in enumerate(node.items):
            yield from _choices(inner[min(index, len(inner) - 1)], item, (*path, index))
        for key, item in node.mapping.items():
            yield from _choices(inner[-1], item, (*path, key))


def fit_problems(config: RecipeConfig, recipe: str, root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Check that every network of a run is of the kind that its recipe trains, and can take its pictures."""
    wanted = {path: mark for path, _, mark in find_options(config, NetworkOption, NetworkChoice)}
    for path, choice in find_models(config, NetworkChoice):
        try:
            generator = make_generator(registry, choice.use, choice.options)
        except HenshinError as error:
            if locate(root, path)[0] != path:  # a default, which the check of what is written has not seen
                yield problem(root, path, where, str(error))
            continue
        wrong = _unwanted(generator, wanted.get(path, NetworkOption()), recipe)
        if wrong:
            yield problem(root, path, where, wrong)
        elif generator.kind == "translator":
            yield from _size_problems(generator, config.picture_sizes(), root, where)


def _unwanted(generator: Generator[Any], wanted: NetworkOption, recipe: str) -> str | None:
    """Why a recipe cannot train this generator."""
    if wanted.kind not in (None, generator.kind):
        return f"'{generator.name}' is {with_article(generator.kind)}; {recipe} needs {with_article(wanted.kind)}"
    if wanted.scale == "larger" and generator.scale < 2:
        return f"'{generator.name}' does not enlarge; {recipe} needs a network of scale 2 or more"
    if generator.kind == "translator" and wanted.scale not in (None, "larger", generator.scale):
        return f"'{generator.name}' enlarges by {generator.scale}; {recipe} needs scale {wanted.scale}"
    if wanted.plain and (generator.value_range != (-1.0, 1.0) or generator.channel_order != "RGB"):
        low, high = generator.value_range
        return (
            f"'{generator.name}' speaks {generator.channel_order} in [{low:g}, {high:g}]; {recipe} needs RGB in [-1, 1]"
        )
    return None


def _size_problems(
    generator: Generator[Any], sizes: Mapping[OptionPath, int], root: Node, where: str
) -> Iterator[Problem]:
    multiple, most = generator.size_multiple, generator.maximum_size
    for path, size in sizes.items():
        told = f"{size} does not fit generator '{generator.name}'"
        if size % multiple:
            yield problem(root, path, where, f"{told}; a multiple of {multiple}")
        elif most is not None and size > most:
            yield problem(root, path, where, f"{told}; at most {most}")


def folder_problems(config: RecipeConfig, root: Node, path: Path) -> Iterator[Problem]:
    """Check that all folders exist, and that those of pictures hold some, more than are to be held out."""
    held: dict[OptionPath, FolderData] = dict(find_models(config, FolderData))
    unsound = set()
    for where, (names, mark) in by_option(find_options(config, FolderOption)).items():
        data = held.get(where[:-1])
        try:
            folders = as_folders(names, path.parent)
            if mark.pictures:
                for one in sets(folders, data is not None and data.separate_sets):
                    checked(one, 0 if data is None else data.hold_out)
        except HenshinError as error:
            unsound.add(where[:-1])
            yield _folder_problem(error, where, root, str(path))
    for where, data in held.items():
        if isinstance(data, PairedData) and where not in unsound:
            try:
                pairs_in(as_folders(data.a, path.parent), as_folders(data.b, path.parent), data.hold_out)
            except HenshinError as error:
                yield _folder_problem(error, (*where, "b"), root, str(path))


def start_problems(config: RecipeConfig, root: Node, path: Path) -> Iterator[Problem]:
    """Check that weights to begin with are there: a run that has a checkpoint, or a .safetensors file."""
    for where, name, _ in find_options(config, StartOption):
        place = path.parent / Path(name).expanduser()
        if place.is_dir() and not (place / "run.json").is_file():
            wrong = "is no folder of a training run (it has no run.json)"
        elif place.is_dir() and not found(place / "checkpoints"):
            wrong = "this run has no checkpoint yet"
        elif not place.exists():
            wrong = "no such folder or file"
        elif not place.is_dir() and place.suffix != ".safetensors":
            wrong = "neither a run's folder nor a .safetensors file"
        else:
            continue
        yield problem(root, where, str(path), f"{place}: {wrong}")


def _folder_problem(error: HenshinError, option: OptionPath, root: Node, where: str) -> Problem:
    if isinstance(error, HeldOutError):
        return problem(root, (*option[:-1], "hold_out"), where, str(error).removeprefix("hold_out: "))
    return problem(root, option, where, str(error))

"""A run's YAML: `recipe: NAME` and that recipe's options, all of it checked before any picture is touched."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from henshin.config_errors import validate
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.overrides import parse_override, with_value
from henshin.recipe import NetworkChoice, PairedData, PictureData, Recipe
from henshin.registry import Registry
from henshin.train.folders import as_folders, checked, pairs_in
from henshin.train.networks import make_generator
from henshin.yaml_nodes import Node, load_yaml


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A checked run: the recipe with its configuration, the file it came from, and what it says in plain values."""

    recipe: Recipe[Any]
    path: Path

    @property
    def description(self) -> dict[str, Any]:
        """What the run's folder, and later the model, says of how it was trained."""
        return {"recipe": self.recipe.name, "config": self.recipe.config.model_dump(mode="json")}


def load_run(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> RunPlan:
    """Read and check a run's YAML with `--set` values put over it. Errors: PipelineError with all problems."""
    problems: list[Problem] = []
    root = load_yaml(path, problems=problems)
    for text in overrides:
        try:
            keys, value = parse_override(text)
            root = with_value(root, keys, value)
        except PipelineError as error:
            problems += error.problems
    recipe = _recipe(root, str(path), registry, problems)
    if recipe is None:
        raise PipelineError(problems)
    config, found = validate(recipe.Config, root, str(path), leave_out=("recipe",))
    problems += found
    problems += _network_problems(recipe.Config, root, str(path), registry)
    if config is not None:
        problems += _folder_problems(config, root, path)
        problems += _size_problems(config, root, str(path), registry)
    if problems or config is None:
        raise PipelineError(sorted(problems, key=lambda problem: problem.line or 0))
    return RunPlan(recipe(config), path)


def _recipe(root: Node, where: str, registry: Registry, problems: list[Problem]) -> type[Recipe[Any]] | None:
    node = root.mapping.get("recipe")
    if node is None or not isinstance(node.value, str):
        names = ", ".join(sorted(registry.recipes)) or "none is installed"
        problems.append(Problem(where, root.mark.line, f"recipe: must name a recipe ({names})"))
        return None
    try:
        return registry.recipe(node.value)
    except HenshinError as error:
        problems.append(Problem(where, root.key_mark("recipe").line, str(error)))
        return None


def _network_problems(config: type[BaseModel], root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Check each option that chooses a network against that generator's own options."""
    for key, field in config.model_fields.items():
        node = root.mapping.get(key)
        use = None if node is None else node.mapping.get("use")
        if node is None or use is None or not isinstance(use.value, str) or not _is_choice(field.annotation):
            continue
        try:
            generator = registry.generator(use.value)
        except HenshinError as error:
            yield Problem(where, node.key_mark("use").line, f"{key}.use: {error}")
            continue
        yield from validate(generator.Config, node, where, prefix=key, leave_out=("use",))[1]


def _size_problems(config: BaseModel, root: Node, where: str, registry: Registry) -> Iterator[Problem]:
    """Check that every translator of a run can take its pictures."""
    size = getattr(getattr(config, "data", None), "size", None)
    for key in type(config).model_fields:
        choice = getattr(config, key)
        if size is None or not isinstance(choice, NetworkChoice):
            continue
        try:
            generator = make_generator(registry, choice.use, choice.options)
        except HenshinError:  # told already
            continue
        multiple = generator.size_multiple
        if generator.kind == "translator" and size % multiple:
            node = root.mapping.get("data", root)
            mark = node.key_mark("size") if "size" in node.mapping else node.mark
            told = f"data.size: {size} does not fit; '{choice.use}' as it is here takes multiples of {multiple} px"
            yield Problem(mark.where or where, mark.line, told)


def _folder_problems(config: BaseModel, root: Node, path: Path) -> Iterator[Problem]:
    """Check that the folders of pictures exist, and hold more pictures than are held out."""
    for key in type(config).model_fields:
        data, node = getattr(config, key), root.mapping.get(key)
        if isinstance(data, PictureData) and node is not None:
            for option, told in _data_problems(data, path.parent):
                mark = node.key_mark(option)
                yield Problem(mark.where or str(path), mark.line, f"{key}.{option}: {told}")


def _data_problems(data: PictureData, base: Path) -> Iterator[tuple[str, HenshinError]]:
    """(option, what is wrong with its folders)."""
    sound = True
    for option, value in data.folder_options().items():
        try:
            checked(as_folders(value, base), data.hold_out)
        except HenshinError as error:
            sound = False
            yield option, error
    if sound and isinstance(data, PairedData):
        try:
            pairs_in(as_folders(data.a, base), as_folders(data.b, base), data.hold_out)
        except HenshinError as error:
            yield "b", error


def _is_choice(annotation: Any) -> bool:
    if annotation is NetworkChoice:
        return True
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return NetworkChoice in typing.get_args(annotation)
    return False

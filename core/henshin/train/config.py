"""A run's YAML: `recipe: NAME` and that recipe's options, all of it checked before any picture is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from henshin.config_errors import validate
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.overrides import parse_override, with_value
from henshin.recipe import Recipe
from henshin.registry import Registry
from henshin.train.checks import fit_problems, folder_problems, network_problems, start_problems
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
    problems += network_problems(recipe.Config, root, str(path), registry)
    if config is not None:
        problems += fit_problems(config, recipe.name, root, str(path), registry)
        problems += folder_problems(config, root, path)
        problems += start_problems(config, root, path)
    if problems or config is None:
        raise PipelineError(sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0))
    return RunPlan(recipe(config), path)


def _recipe(root: Node, where: str, registry: Registry, problems: list[Problem]) -> type[Recipe[Any]] | None:
    node = root.mapping.get("recipe")
    if node is None or not isinstance(node.value, str):
        if node is None and "stages" in root.mapping:
            problems.append(Problem(where, root.key_mark("stages").line, "this is a pipeline; use henshin run"))
            return None
        names = ", ".join(sorted(registry.recipes)) or "none is installed"
        problems.append(Problem(where, root.mark.line, f"recipe: must name a recipe ({names})"))
        return None
    try:
        return registry.recipe(node.value)
    except HenshinError as error:
        problems.append(Problem(where, root.key_mark("recipe").line, str(error)))
        return None

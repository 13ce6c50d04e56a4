"""Configuration of a training run: its checked YAML (`recipe: NAME` and options), and command-line options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from henshin.api.recipe import Recipe
from henshin.config.overrides import parse_override, with_value
from henshin.config.validation import validate
from henshin.config.yaml_reader import Node, load_yaml
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.registry import Registry
from henshin.train.config.checks import (
    evaluation_problems,
    fit_problems,
    folder_problems,
    network_problems,
    start_problems,
)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A checked run: the recipe with its configuration, and the path of its YAML."""

    recipe: Recipe[Any]
    path: Path

    @property
    def description(self) -> dict[str, Any]:
        """Recipe and configuration in plain values, for `run.json` and for the models of the run."""
        return {"recipe": self.recipe.name, "config": self.recipe.config.model_dump(mode="json")}


def load_run(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> RunPlan:
    """Read and check a run's YAML, overridden by `--set` values. Errors: PipelineError with all problems."""
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
    config, option_problems = validate(recipe.Config, root, str(path), leave_out=("recipe",))
    problems += option_problems
    problems += network_problems(recipe.Config, root, str(path), registry)
    if config is not None:
        problems += fit_problems(config, recipe.name, root, str(path), registry)
        problems += folder_problems(config, root, path)
        problems += start_problems(config, root, path)
        problems += evaluation_problems(config, root, str(path))
    if problems or config is None:
        raise PipelineError(sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0))
    return RunPlan(recipe(config), path)


def _recipe(root: Node, where: str, registry: Registry, problems: list[Problem]) -> type[Recipe[Any]] | None:
    node = root.mapping.get("recipe")
    if node is None or not isinstance(node.value, str):
        if node is None and "stages" in root.mapping:
            problems.append(Problem(where, root.key_position("stages").line, "this is a pipeline; use henshin run"))
            return None
        names = ", ".join(sorted(registry.recipes)) or "none is installed"
        problems.append(Problem(where, root.position.line, f"recipe: must name a recipe ({names})"))
        return None
    try:
        return registry.recipe(node.value)
    except HenshinError as error:
        problems.append(Problem(where, root.key_position("recipe").line, str(error)))
        return None


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of the command line for a run.

    `device`: "auto", "cpu", "cuda" or "cuda:N"; `devices`: their number. `precision`: "auto" (bf16 where the processor
    is faster at it), "bf16" or "fp32". `compile`: None compiles on GPUs where Triton is installed; `compiler` is
    the backend of torch.compile. `max_time` and `save_every` are in seconds. `overrides` are the `--set` values and
    `plugins` the files of plugins that are not installed, with which further processes read the plan again.
    """

    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    compile: bool | None = None
    resume: bool = False
    max_time: float | None = None
    max_steps: int | None = None
    save_every: float = 120.0
    log_every: int = 50
    overrides: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()
    compiler: str = "inductor"

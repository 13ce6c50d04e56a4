"""Loading of a pipeline: a YAML file to validated, unopened stages, or one error with all its problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.api.stage import Stage
from henshin.config.overrides import WHERE, parse_override, with_value
from henshin.config.validation import validate
from henshin.config.yaml_reader import Node, load_yaml
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.files import access_problem, data_folder, exists, is_folder
from henshin.pipeline.checks import all_steps, chain_problems, step_problems
from henshin.pipeline.schema import PipelineFile
from henshin.pipeline.steps import StepMaker, labels, uses_of
from henshin.registry.checks import static_value
from henshin.text import did_you_mean, near_or_all

if TYPE_CHECKING:
    from henshin.models import ModelStore
    from henshin.registry import Registry


@dataclass(slots=True)
class Pipeline:
    """A pipeline with valid options; its stages are not opened."""

    name: str
    description: str
    path: Path
    stages: list[Stage[Any]]

    @property
    def base(self) -> Path:
        """The folder of the file, to which the paths in it are relative."""
        return self.path.parent

    @property
    def labels(self) -> list[str]:
        """The label of each stage: its name, or NAME#1, NAME#2, ... where a name comes more than once."""
        return labels([stage.name for stage in self.stages])

    @property
    def source(self) -> Stage[Any] | None:
        """The stage that makes the pictures itself, or None."""
        return next((stage for stage in self.stages if stage.works_on == "source"), None)


def find(path_or_name: str) -> Path:
    """Return the file of a pipeline: an existing path, else a packaged name with or without ``.yaml``.

    Errors: HenshinError that lists the packaged names.
    """
    path = Path(path_or_name)
    if path_or_name and exists(path) and not is_folder(path):
        return path
    problem = access_problem(path)
    if problem:
        raise HenshinError(f"pipeline {problem}")
    packaged = {file.stem: file for file in sorted(data_folder("pipelines").glob("*.yaml"))}
    name = path_or_name.removesuffix(".yaml")
    if name in packaged:
        return packaged[name]
    what = "is a folder" if path_or_name and is_folder(path) else "no such file, and no packaged pipeline of this name"
    names = f" (packaged: {', '.join(packaged)})" if packaged else ""
    raise HenshinError(f"pipeline '{path_or_name}': {what}{did_you_mean(name, packaged)}{names}")


def load(path_or_name: str, registry: Registry, store: ModelStore, overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline and make its stages, unopened.

    ``overrides`` are ``STAGE.OPTION=VALUE`` texts, the value in YAML; STAGE is a name, NAME#2 or a position from 1.

    Errors: HenshinError when there is no such pipeline, PipelineError with everything that is wrong with it.
    """
    path = find(path_or_name)
    where = path_or_name if Path(path_or_name) == path else path.name
    unread: list[Problem] = []
    problems: list[Problem] = []
    root = load_yaml(path, where, unread)
    if "recipe" in root.mapping and "stages" not in root.mapping:
        line = root.key_position("recipe").line
        raise PipelineError([Problem(where, line, "this is a training run; use henshin train")])
    root = override_stages(root, overrides, problems)
    head, wrong = validate(PipelineFile, root, where)
    listed = root.mapping["stages"].items if "stages" in root.mapping else []
    maker = StepMaker(registry, where, unread)
    steps = maker.steps(listed)
    problems += maker.problems
    for step in all_steps(steps):
        problems += step_problems(step, store, path.parent)
    problems += wrong + chain_problems(steps, _crop_ending_stages(registry))
    if problems or unread or head is None:
        raise PipelineError(_in_order(unread, problems))
    stages = [step.stage for step in steps if step.stage is not None]
    return Pipeline(head.name or path.stem, head.description, path, stages)


def _crop_ending_stages(registry: Registry) -> list[str]:
    """Return the names of the stages that end crops, for a hint; core itself knows none of them."""
    return sorted(name for name, cls in registry.stages.items() if "crops" in (static_value(cls, "ends")[1] or ()))


def _in_order(unread: Sequence[Problem], problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems by line, those of the command line last, and leave out repetitions.

    A line that YAML could not read has only that problem: its options are wrong because of it.
    """
    lines = {problem.line for problem in unread}
    all_problems = [*unread, *(one for one in problems if one.line is None or one.line not in lines)]
    return sorted(dict.fromkeys(all_problems), key=lambda one: (one.where == "--set", one.line or 0))


def override_stages(root: Node, overrides: Sequence[str], problems: list[Problem]) -> Node:
    """Return a pipeline with each ``STAGE.OPTION=VALUE`` applied; wrong ones are added to ``problems``.

    STAGE is a stage's name, NAME#2 for the second of this name, or a position counted from 1.
    """
    for text in overrides:
        try:
            root = _override(root, text)
        except PipelineError as error:
            problems += error.problems
    return root


def _override(root: Node, text: str) -> Node:
    path, value = parse_override(text)
    if len(path) < 2:
        raise PipelineError([Problem(WHERE, None, f"'{text}' is not of the form stage.option=value")])
    stages = root.mapping["stages"].items if "stages" in root.mapping else []
    position = _position(uses_of(stages), path[0])
    if path[1] == "use":
        raise PipelineError([Problem(WHERE, None, f"'{text}' would make another stage of it; change the file instead")])
    if not isinstance(stages[position].value, dict):
        raise PipelineError([Problem(WHERE, None, f"stage {position + 1} has no options")])
    changed = [*stages[:position], with_value(stages[position], path[1:], value), *stages[position + 1 :]]
    listing = Node(root.mapping["stages"].position, changed)
    return Node(root.position, {**root.mapping, "stages": listing}, root.keys)


def _position(uses: Sequence[str | None], address: str) -> int:
    """Return the position of the stage that an address means. Errors: PipelineError with the right addresses."""
    known = labels(uses)
    if address in known:
        return known.index(address)
    if address.isdecimal() and 1 <= int(address) <= len(uses):
        return int(address) - 1
    first = f"{address}#1"
    if first in known:
        several = " or ".join(f"'{one}'" for one in known if one.rpartition("#")[0] == address)
        raise PipelineError([Problem(WHERE, None, f"there is more than one stage '{address}'; say {several}")])
    near = near_or_all(address, [label for label, use in zip(known, uses, strict=True) if use])
    raise PipelineError([Problem(WHERE, None, f"this pipeline has no stage '{address}'{near}")])

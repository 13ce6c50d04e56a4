"""A pipeline: from a YAML file to validated, unopened stages, or to everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from henshin.api.stage import Stage
from henshin.config.overrides import labels, override_stages, uses_of
from henshin.config.validation import shown, validate
from henshin.config.yaml_reader import Node, load_yaml, to_python
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.files import barred, data_folder, exists, is_folder
from henshin.pipeline.checks import Step, chain_problems, extra_problems, file_problems, model_problems, trait_problems
from henshin.pipeline.schema import schema
from henshin.registry.checks import static
from henshin.text import did_you_mean, name_problem, one_line

if TYPE_CHECKING:
    from henshin.models import ModelStore
    from henshin.registry import Registry

__all__ = ["Pipeline", "PipelineFile", "find", "load", "schema"]


class PipelineFile(BaseModel):
    """The top level of a pipeline's YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, min_length=1, description="What the pipeline is called; default: the file's name.")
    description: str = Field("", description="What it does, in a sentence.")
    stages: list[Any] = Field(min_length=1, description="The stages, each `use: NAME` with its options.")

    @field_validator("stages", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, dict | str):
            return value
        use = value.get("use") if isinstance(value, dict) else value
        raise ValueError(f"is no list; write '- use: {use if isinstance(use, str) else 'NAME'}'")

    @field_validator("name")
    @classmethod
    def _can_name_a_folder(cls, name: str | None) -> str | None:
        """Results go to ./henshin-out/NAME by default, so the name must not lead anywhere else."""
        problem = None if name is None else name_problem(name)
        if problem:
            raise ValueError(f"{name!r} {problem}")
        return name


@dataclass(slots=True)
class Pipeline:
    """A pipeline whose options are all right: its stages are made but not opened."""

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
        """What each stage is called: its name, or NAME#1, NAME#2, ... where a name comes more than once."""
        return labels([stage.name for stage in self.stages])

    @property
    def source(self) -> Stage[Any] | None:
        """The stage that makes the pictures itself, if there is one."""
        return next((stage for stage in self.stages if stage.works_on == "source"), None)


def find(path_or_name: str) -> Path:
    """Return the file of a pipeline: an existing path, else a packaged name with or without ``.yaml``.

    Errors: HenshinError that lists the packaged names.
    """
    path = Path(path_or_name)
    if path_or_name and exists(path) and not is_folder(path):
        return path
    problem = barred(path)
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
        line = root.key_mark("recipe").line
        raise PipelineError([Problem(where, line, "this is a training run; use henshin train")])
    root = override_stages(root, overrides, problems)
    head, wrong = validate(PipelineFile, root, where)
    listed = root.mapping["stages"].items if "stages" in root.mapping else []
    steps = _steps(listed, registry, where, problems, unread)
    for step in steps:
        problems += trait_problems(step, where)
        problems += extra_problems(step, where)
        problems += model_problems(step, where, store, path.parent)
        problems += file_problems(step, where, path.parent)
    problems += wrong + chain_problems(steps, where, _enders(registry))
    if problems or unread or head is None:
        raise PipelineError(_in_order(unread, problems))
    made = [step.stage for step in steps if step.stage is not None]
    return Pipeline(head.name or path.stem, head.description, path, made)


def _steps(
    stages: Sequence[Node], registry: Registry, where: str, problems: list[Problem], unread: Sequence[Problem]
) -> list[Step]:
    steps = []
    for node, label, use in zip(stages, labels(uses_of(stages)), uses_of(stages), strict=True):
        step = Step(label, node)
        problems += _fill(step, use, registry, where, unread)
        steps.append(step)
    return steps


def _fill(step: Step, use: str | None, registry: Registry, where: str, unread: Sequence[Problem]) -> list[Problem]:
    """Find the class of a stage and make the stage; return what is wrong."""
    if use is None:
        return [step.problem(where, _no_use(step))]
    try:
        step.cls = registry.stage(use)
    except HenshinError as error:
        return [step.problem(where, str(error))]
    config, problems = validate(step.cls.Config, step.node, where, step.label, leave_out=("use",))
    problems = _without_unread(problems, step.node, unread)
    if config is not None:
        try:
            step.stage = step.cls(config)
        except Exception as error:
            problems.append(step.problem(where, f"{step.label}: cannot be made: {one_line(error)}"))
    return problems


def _without_unread(problems: list[Problem], node: Node, unread: Sequence[Problem]) -> list[Problem]:
    """Leave out what follows from values that YAML could not read: that they lack, and that the rest does not fit."""
    lines = {problem.line for problem in unread}
    lost = [node.key_mark(key).line for key, child in node.mapping.items() if child.mark.line in lines]
    return [one for one in problems if not lost or one.line not in (node.mark.line, *lost)]


def _no_use(step: Step) -> str:
    """Say how a stage is written, and what its writer may have meant."""
    if isinstance(step.node.value, dict):
        if "use" in step.node.mapping:
            return f"{step.label}: 'use' takes the name of a stage, not {shown(to_python(step.node.mapping['use']))}"
        near = next((f" in place of '{key}'" for key in step.node.mapping if did_you_mean(key, ["use"])), "")
        return f"{step.label} does not say which stage it is; write 'use: NAME'{near}"
    if isinstance(step.node.value, str):
        return f"{step.label}: write '- use: {step.node.value}'"
    return f"{step.label}: {shown(to_python(step.node))} is not a stage; write '- use: NAME'"


def _enders(registry: Registry) -> list[str]:
    """Return the names of the stages that end crops, for a hint; core itself knows none of them."""
    return sorted(name for name, cls in registry.stages.items() if "crops" in (static(cls, "ends")[1] or ()))


def _in_order(unread: Sequence[Problem], problems: Sequence[Problem]) -> list[Problem]:
    """Sort problems by line, those of the command line last, and say each once.

    What YAML itself could not read has no value; that it is wrong as an option too is no second problem of its line.
    """
    lines = {problem.line for problem in unread}
    told = [*unread, *(one for one in problems if one.line is None or one.line not in lines)]
    return sorted(dict.fromkeys(told), key=lambda one: (one.where == "--set", one.line or 0))

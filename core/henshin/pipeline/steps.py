"""The stages of a pipeline's file: their names, options and classes, made but not opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from henshin.config.options import StagesOption, find_options
from henshin.config.validation import format_value, locate, validate
from henshin.config.validation import label as option_label
from henshin.config.yaml_reader import Node, to_python
from henshin.errors import HenshinError, Problem
from henshin.pipeline.checks import Step
from henshin.text import did_you_mean, one_line

if TYPE_CHECKING:
    from henshin.api.stage import Stage
    from henshin.registry import Registry


class StepMaker:
    """Makes the stages of one file. ``problems`` collects what is wrong with their names and options.

    ``unread`` are the problems of values that YAML could not read.
    """

    def __init__(self, registry: Registry, where: str, unread: Sequence[Problem]) -> None:
        self.registry = registry
        self.where = where
        self.unread = unread
        self.problems: list[Problem] = []

    def steps(self, stages: Sequence[Node], within: str = "") -> list[Step]:
        """Return a step for each stage of a list, those in its options included.

        ``within`` names the option that holds the list.
        """
        steps = []
        for node, label, use in zip(stages, labels(uses_of(stages)), uses_of(stages), strict=True):
            step = Step(self.where, f"{within}.{label}" if within else label, node)
            self.problems += _fill(step, use, self.registry, self.unread)
            if step.stage is not None:
                self._add_branches(step, step.stage)
            steps.append(step)
        return steps

    def _add_branches(self, step: Step, stage: Stage[Any]) -> None:
        for path, _, _ in find_options(stage.config, StagesOption, of=list):
            listed = locate(step.node, path)[2].items
            step.branches.append(self.steps(listed, option_label(step.label, path)))
        made = [[inner.stage for inner in branch if inner.stage is not None] for branch in step.branches]
        if made:
            stage.branches = made


def _fill(step: Step, use: str | None, registry: Registry, unread: Sequence[Problem]) -> list[Problem]:
    """Find the class of a stage and make the stage; return its problems."""
    if use is None:
        return [step.problem(_missing_use(step))]
    try:
        step.cls = registry.stage(use)
    except HenshinError as error:
        return [step.problem(str(error))]
    config, problems = validate(step.cls.Config, step.node, step.where, step.label, leave_out=("use",))
    problems = _without_unread(problems, step.node, unread)
    if config is not None:
        try:
            step.stage = step.cls(config)
        except Exception as error:
            problems.append(step.problem(f"{step.label}: cannot be made: {one_line(error)}"))
    return problems


def _without_unread(problems: list[Problem], node: Node, unread: Sequence[Problem]) -> list[Problem]:
    """Leave out the problems that follow from values that YAML could not read: missing values, and their effects."""
    lines = {problem.line for problem in unread}
    missing_lines = [node.key_position(key).line for key, child in node.mapping.items() if child.position.line in lines]
    return [one for one in problems if not missing_lines or one.line not in (node.position.line, *missing_lines)]


def _missing_use(step: Step) -> str:
    """Return the message for a stage without a name: how to write one, and the key that was likely meant."""
    if isinstance(step.node.value, dict):
        if "use" in step.node.mapping:
            value = format_value(to_python(step.node.mapping["use"]))
            return f"{step.label}: 'use' takes the name of a stage, not {value}"
        near = next((f" in place of '{key}'" for key in step.node.mapping if did_you_mean(key, ["use"])), "")
        return f"{step.label} does not say which stage it is; write 'use: NAME'{near}"
    if isinstance(step.node.value, str):
        return f"{step.label}: write '- use: {step.node.value}'"
    return f"{step.label}: {format_value(to_python(step.node))} is not a stage; write '- use: NAME'"


def labels(uses: Sequence[str | None]) -> list[str]:
    """Return the label of each stage: its name, or NAME#1, NAME#2, ... where a name comes more than once."""
    named: list[str] = []
    for position, use in enumerate(uses):
        if use is None:
            named.append(f"stage {position + 1}")
        elif uses.count(use) > 1:
            named.append(f"{use}#{uses[: position + 1].count(use)}")
        else:
            named.append(use)
    return named


def uses_of(stages: Sequence[Node]) -> list[str | None]:
    """Return the text after ``use:`` of each stage of a pipeline; None where there is none."""
    values = [stage.mapping["use"].value if "use" in stage.mapping else None for stage in stages]
    return [use if isinstance(use, str) else None for use in values]

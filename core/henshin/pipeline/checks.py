"""Checks of a pipeline's stages: their packages, models and files, and the flow from one stage to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.api.stage import Stage
from henshin.config.options import FileOption, ModelOption, OptionPath, find_options
from henshin.config.validation import label, locate
from henshin.config.yaml_reader import Node, Position
from henshin.errors import PictureError, Problem, WrongModelError
from henshin.files import access_problem, is_file, is_folder
from henshin.models.requirements import model_problem, scale_problem
from henshin.registry.checks import extra_of, flow_problem, static_value
from henshin.text import did_you_mean, join_names, one_line

if TYPE_CHECKING:
    from pydantic import BaseModel

    from henshin.models import ModelStore


@dataclass(slots=True)
class Step:
    """One stage of a pipeline while it is checked. ``where`` names the file in problems.

    ``cls`` is None when no stage has its name, ``stage`` when its options are wrong. ``branches`` are the lists of
    stages in its options.
    """

    where: str
    label: str
    node: Node
    cls: type[Stage[Any]] | None = None
    stage: Stage[Any] | None = None
    branches: list[list[Step]] = field(default_factory=list)

    def trait(self, name: str) -> Any:
        """Return ``needs``, ``works_on`` and the like; None where that depends on options that are wrong."""
        if self.stage is not None:
            return getattr(self.stage, name)
        return None if self.cls is None else static_value(self.cls, name)[1]

    def flow(self, name: str) -> frozenset[str] | None:
        """Return ``needs``, ``gives`` or ``ends``; None where it cannot be known."""
        value = self.trait(name)
        return None if value is None or flow_problem(value) else frozenset(value)

    def problem(self, message: str, mark: Position | None = None, missing: bool = False) -> Problem:
        """Return a problem at this stage, or at a place within it."""
        mark = mark or self.node.key_position("use")
        return Problem(mark.where or self.where, mark.line, message, missing)

    def option_problem(self, path: OptionPath, message: str, missing: bool = False) -> Problem:
        """Return a problem with the value of one of its options."""
        mark = locate(self.node, path)[1] if path[0] in self.node.mapping else None
        return self.problem(f"{label(self.label, path)}: {message}", mark, missing)


def all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield every step, those in the options of others after them."""
    for step in steps:
        yield step
        for branch in step.branches:
            yield from all_steps(branch)


def step_problems(step: Step, store: ModelStore, base: Path) -> list[Problem]:
    """Return everything that is wrong with one stage by itself; ``base`` is the folder of the pipeline's file.

    A stage whose plugin fails to compute a trait is checked no further: ``step.stage`` becomes None.
    """
    problems = list(_trait_problems(step))
    problems += _package_problems(step)
    if step.stage is not None:
        problems += _model_problems(step, step.stage.config, store, base)
        problems += _file_problems(step, step.stage.config, base)
    return problems


def _trait_problems(step: Step) -> Iterator[Problem]:
    """Check the traits that a plugin computes from a stage's options: wrong ones are the plugin's fault."""
    for name in ("needs", "gives", "ends"):
        try:
            wrong = flow_problem(step.trait(name)) if step.stage is not None else None
        except Exception as error:
            wrong = f"cannot be told: {one_line(error)}"
            step.stage = None
        if wrong:
            yield step.problem(f"{step.label}: the plugin's '{name}' {wrong}")


def _package_problems(step: Step) -> Iterator[Problem]:
    """Check that a stage's optional dependency is installed, else give the command that installs it."""
    extra = extra_of(step.trait("extra"))
    if extra is not None and find_spec(extra.module) is None:
        message = f"{step.label} needs {extra.module}, which is not installed; run: pip install '{extra.install}'"
        yield step.problem(message, missing=True)


def _model_problems(step: Step, config: BaseModel, store: ModelStore, base: Path) -> Iterator[Problem]:
    """Check that the models named in a stage's options are there, and go as far as the stage asks."""
    for path, name, option in find_options(config, ModelOption):
        wrong = model_problem(store, name, base, option)
        if wrong is not None:
            yield step.option_problem(path, str(wrong), missing=not isinstance(wrong, WrongModelError))
            continue
        scale = None if option.scale is None else getattr(config, option.scale, None)
        too_far = None if scale is None else scale_problem(store, name, scale, base)
        if too_far is not None:
            yield step.option_problem((str(option.scale),), str(too_far))


def _file_problems(step: Step, config: BaseModel, base: Path) -> Iterator[Problem]:
    """Check that the files named in a stage's options are there, and are pictures where pictures are wanted."""
    for path, name, option in find_options(config, FileOption):
        wrong = _file_problem(base / Path(name).expanduser(), option.picture)
        if wrong:
            yield step.option_problem(path, wrong)


def _file_problem(file: Path, picture: bool) -> str | None:
    if not is_file(file):
        return access_problem(file) or (f"'{file}' is a folder" if is_folder(file) else f"there is no file '{file}'")
    if picture:
        from henshin.images import read

        try:
            read(file)
        except PictureError as error:
            return f"'{file}': {error.reason}"
    return None


def chain_problems(steps: Sequence[Step], enders: Sequence[str]) -> list[Problem]:
    """Check that every stage finds what it needs, that a source stands first and that no crops are left over.

    A stage that is unknown may give and end anything: what hangs on it is not reported. ``enders`` are the names of
    the stages that end crops.
    """
    chain = _Chain(enders)
    for position, step in enumerate(steps):
        chain.source(step, position)
        chain.follow(step)
    chain.left_over()
    return chain.problems


class _Chain:
    """The flows that exist after the stages seen so far.

    ``given`` and ``ended`` map a flow to the step that gave or ended it; ``unsure`` holds those that nobody can know.
    """

    def __init__(self, enders: Sequence[str]) -> None:
        self.enders = enders
        self.problems: list[Problem] = []
        self.given: dict[str, Step] = {}
        self.ended: dict[str, Step] = {}
        self.unsure: set[str] = set()

    def source(self, step: Step, position: int) -> None:
        if step.trait("works_on") == "source" and position > 0:
            message = f"{step.label} makes pictures from nothing, so it must be the first stage, and the only such one"
            self.problems.append(step.problem(message))

    def follow(self, step: Step) -> None:
        needs, gives, ends = (step.flow(name) for name in ("needs", "gives", "ends"))
        for flow in sorted(needs or ()):
            self.need(step, flow)
        for branch in step.branches:
            self.branch(branch)
        self.place(step)
        self.end(step, ends)
        self.give(step, gives)

    def branch(self, steps: Sequence[Step]) -> None:
        """Follow stages within an option of one stage: they begin with what is there, and leave nothing behind."""
        inner = _Chain(self.enders)
        inner.problems = self.problems
        inner.given, inner.ended, inner.unsure = dict(self.given), dict(self.ended), set(self.unsure)
        for step in steps:
            inner.source(step, 1)
            inner.follow(step)
        inner.left_over()

    def need(self, step: Step, flow: str) -> None:
        kind, _, name = flow.partition(":")
        there = self.of_kind(kind)
        if kind in self.unsure or flow in there or kind in there or (there and not name):
            return
        if there:
            named = [one.partition(":")[2] for one in there]
            near = did_you_mean(name, named)
            reason = f"needs {kind} '{name}', and those before it are called: {join_names(named)}{near}"
        elif kind in self.ended:
            reason = f"needs {kind}, and {self.ended[kind].label} before it has ended them"
        else:
            reason = f"needs {kind}, and no stage before it gives any"
        self.problems.append(step.problem(f"{step.label} {reason}"))

    def of_kind(self, kind: str) -> list[str]:
        """Return the flows of a kind that exist: "latents" itself where a stage names none, or "latents:NAME"."""
        return [flow for flow in self.given if flow.partition(":")[0] == kind]

    def place(self, step: Step) -> None:
        """Ask a stage whether it can stand here, where it is known what it will see."""
        if step.stage is None or "crops" in self.unsure:
            return
        step.stage.zone = "crops" if "crops" in self.given else "photos"
        try:
            wrong = step.stage.misplaced()
        except Exception as error:
            wrong = f"the plugin's 'misplaced' cannot be told: {one_line(error)}"
        if wrong:
            self.problems.append(step.problem(f"{step.label}: {wrong}"))

    def end(self, step: Step, ends: frozenset[str] | None) -> None:
        if ends is None:
            self.unsure |= {"faces", "crops", "latents"}
        for flow in ends or ():
            there = [flow] if ":" in flow else self.of_kind(flow)
            lost = [one for one in there if self.given.pop(one, None) is not None]
            if lost or flow in self.unsure:  # what nobody gave is not ended either
                self.ended[flow] = step
            self.unsure.discard(flow)

    def give(self, step: Step, gives: frozenset[str] | None) -> None:
        if gives is None:
            self.unsure |= {"faces", "crops", "latents"}
        for flow in gives or ():
            if flow == "crops" and flow in self.given and flow not in self.unsure:
                message = f"{step.label} gives crops while those of {self.given[flow].label} are still open"
                self.problems.append(step.problem(message))
            self.given[flow] = step
            self.unsure.discard(flow)

    def left_over(self) -> None:
        step = self.given.get("crops")
        if step is None or "crops" in self.unsure:
            return
        hint = f"; end with {join_names(self.enders).replace(', ', ' or ')}" if self.enders else ""
        problem = step.problem(f"the crops of {step.label} are never put back or written{hint}")
        if problem not in self.problems:  # several branches may leave the same crops
            self.problems.append(problem)

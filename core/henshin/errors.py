"""Every way in which henshin says no: one line each, with what, where and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


class HenshinError(Exception):
    """A problem to be told to the user in one line, without a traceback.

    ``exit_code`` is what the command line ends with: 2 for a wrong pipeline, option or use.
    """

    exit_code = 2


class MissingError(HenshinError):
    """Something outside the pipeline is missing: a model file, a GPU, a package (exit code 3)."""

    exit_code = 3


class WrongModelError(HenshinError):
    """An option names what cannot be its model: one of another kind, or a file that may not be looked at."""


class WrongWeightsError(HenshinError):
    """Weights are surely of one layout, but some of their tensors are missing, too many or of another shape."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM asked for the end: as Ctrl-C does, and not to be caught where that is not (exit code 143)."""


class PictureError(Exception):
    """Why one picture cannot be read, worked on or written.

    A stage may raise it, or return it in the place of one picture: that frame fails and is listed with this
    reason, and the others go on.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: ``pipeline.yaml:6: face_align.sise: no such option``."""

    where: str
    line: int | None
    message: str
    missing: bool = False

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.message}"


class PipelineError(HenshinError):
    """Everything that is wrong with a pipeline or a run's YAML, told at once.

    ``exit_code`` is 3 when nothing but models (or packages) is missing, else 2.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.exit_code = 3 if problems and all(problem.missing for problem in problems) else 2

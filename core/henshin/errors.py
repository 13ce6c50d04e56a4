"""Errors and problems of henshin. Each message is one line: what is wrong, where, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


class HenshinError(Exception):
    """A problem that the user is shown in one line, without a traceback.

    ``exit_code`` is the exit code of the command line: 2 for a wrong pipeline, option or use.
    """

    exit_code = 2


class MissingError(HenshinError):
    """Something outside the pipeline is missing: a model file, a GPU, a package (exit code 3)."""

    exit_code = 3


class WrongModelError(HenshinError):
    """The model that an option names cannot be used: it is of another kind, or its file may not be read."""


class WrongWeightsError(HenshinError):
    """Weights are of a known layout, but tensors are missing, are too many or have another shape."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM ended the command. It is handled as Ctrl-C is (exit code 143)."""


class PictureError(Exception):
    """One picture cannot be read, processed or written.

    A stage may raise it, or return it in place of one picture. That frame fails and is listed with this reason; the
    others go on.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: ``pipeline.yaml:6: face_align.sise: no such option``.

    ``where`` names the file; ``line`` counts from 1. ``missing``: a model or a package is missing.
    """

    where: str
    line: int | None
    message: str
    missing: bool = False

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.message}"


class PipelineError(HenshinError):
    """All problems of a YAML file of henshin: a pipeline, a training run, or the options of a generator.

    ``exit_code`` is 3 when the only problems are missing models or packages, else 2.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.exit_code = 3 if problems and all(problem.missing for problem in problems) else 2

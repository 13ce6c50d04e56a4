"""The base of all commands: grouped help, commands loaded when called, lines and errors printed, plugins loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from henshin.errors import HenshinError, PipelineError

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.registry import Registry

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Verbosity:
    """The amount of output: -1 quiet, 0 normal, 1 or more with details and tracebacks."""

    level: int = 0


class GroupedCommand(click.Command):
    """A command whose help lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which the headings first appear, the rest at the end."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            # The text above describes the arguments; some versions of click have records for them too.
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                heading = getattr(parameter, "heading", None)
                (rest if heading is None else sections.setdefault(heading, [])).append(record)
        for heading, records in [*sections.items(), ("Other", rest)]:
            with formatter.section(heading):
                formatter.write_dl(records)


@dataclass(frozen=True)
class LazyCommand:
    """A command that is not loaded yet: its "module:attribute", its line in the help and the heading above it."""

    target: str
    help: str
    heading: str


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is called, not before."""

    def __init__(self, *args: Any, lazy: dict[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands in the order of the help."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        entry = self.lazy.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Errors: click.UsageError with the name that is likely meant."""
        if args[0] not in self.lazy and not args[0].startswith("-"):
            from henshin.text import did_you_mean

            ctx.fail(f"no command named '{args[0]}'{did_you_mean(args[0], self.lazy)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands under their headings, without loading any."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.lazy.items():
            sections.setdefault(entry.heading, []).append((name, entry.help))
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def print_line(line: str, *, err: bool = True) -> None:
    """Print one line, to stderr unless it is a result."""
    from henshin.cli.output import make_printable

    click.echo(make_printable(line), err=err)


def print_error(message: str) -> None:
    """Print an error as `henshin: message`."""
    print_line(f"henshin: {message}")


def load_registry(plugin_files: Sequence[Path]) -> Registry:
    """Return all plugins, also those of files; the problems of broken ones are printed, and the others go on."""
    from henshin.registry import build_registry

    # A plugin may print when it is imported; stdout is for results, which a machine may read.
    with redirect_stdout(sys.stderr):
        registry = build_registry(plugin_files)
    for problem in registry.problems:
        print_error(problem)
    return registry


def print_problems(error: HenshinError, consequence: str = "; nothing was run") -> None:
    """Print an error: one line, or for a wrong file one line for each problem and then their number."""
    if not isinstance(error, PipelineError):
        print_error(str(error))
        return
    # `file:line: ...` begins the line, for editors and terminals look for it there.
    for problem in error.problems:
        print_line(str(problem))
    print_error(f"{count_problems(error)}{consequence}")


def count_problems(error: PipelineError) -> str:
    """Return the number of problems of a wrong file, with the names of its files."""
    number = len(error.problems)
    files = sorted({problem.where for problem in error.problems})
    return f"{number} problem{'s' * (number != 1)} in {', '.join(files)}"

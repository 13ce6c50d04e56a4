"""The base of all commands: grouped help, commands loaded when called, errors in one line, exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from henshin.cli.signals import discard_stdout, is_stdout_error, sigterm_as_interrupt
from henshin.errors import HenshinError, PipelineError, TerminatedError

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.registry import Registry


INTERRUPTED = 130

UNEXPECTED = 70
"""Exit code of an error that henshin did not foresee (EX_SOFTWARE of sysexits.h); 1 says "some pictures failed"."""


STDOUT_FAILED = 74
"""Exit code where stdout cannot be written: a full disk behind `> file` (EX_IOERR of sysexits.h)."""

TERMINATED = 143
"""Exit code of a program that SIGTERM ended, as shells have it: 128 + 15."""

BROKEN_PIPE = 141
"""Exit code of a program whose reader has gone, as shells have it: 128 + SIGPIPE."""

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


def invoke(command: click.Command, name: str, args: Sequence[str] | None) -> int:
    """Run a command and return its exit code; an error becomes a few lines on stderr, whatever it is.

    With `--json` stdout holds one JSON document also where nothing could be run.
    """
    words = sys.argv[1:] if args is None else list(args)
    for closed in [stream for stream in ("stdout", "stderr") if getattr(sys, stream) is None]:
        setattr(sys, closed, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        with sigterm_as_interrupt():
            return _run_and_report(command, name, words, Verbosity())
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is left to print, nor to flush at the exit.
        discard_stdout()
        return BROKEN_PIPE
    except OSError as error:
        discard_stdout()
        with suppress(OSError):
            print_error(f"cannot write to stdout: {error.strerror or error}")
        return STDOUT_FAILED


def _run_and_report(command: click.Command, name: str, words: list[str], verbosity: Verbosity) -> int:
    """Run a command and print its error, if any. Errors: OSError when stdout or stderr cannot be written."""
    try:
        result = _run(command, name, words, verbosity)
        sys.stdout.flush()
        return result
    except (KeyboardInterrupt, click.Abort) as error:
        print_error("interrupted; run the same command again to go on")
        return _finish(TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED, error, words)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _print_usage_error(error)
        return _finish(error.exit_code, error, words)
    except HenshinError as error:
        print_problems(error)
        return _finish(error.exit_code, error, words)
    except Exception as error:
        from henshin.text import flatten

        if isinstance(error, BrokenPipeError) or is_stdout_error(error):
            raise
        if verbosity.level > 0:
            traceback.print_exc()
        hint = "" if verbosity.level > 0 else " (-v shows where)"
        print_error(f"unexpected {type(error).__name__}: {flatten(error)}{hint}")
        return _finish(UNEXPECTED, error, words)


def _run(command: click.Command, name: str, words: list[str], verbosity: Verbosity) -> int:
    """Call a command, or answer a shell that completes one. ``command.main`` would end the process by itself."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    instruction = os.environ.get(variable)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, name, variable, instruction)
    with command.make_context(name, words, obj=verbosity) as context:
        return int(command.invoke(context) or 0)


def _finish(exit_code: int, error: BaseException, words: Sequence[str]) -> int:
    """Return the exit code; with `--json` print it first, with the error and the problems of a file one by one."""
    if "--json" in words:
        import json

        problems = error.problems if isinstance(error, PipelineError) else []
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        document = {
            "exit_code": exit_code,
            "error": (_count_problems(error) if isinstance(error, PipelineError) else message) or "interrupted",
            "problems": [asdict(problem) for problem in problems],
        }
        click.echo(json.dumps(document, indent=2))
    return exit_code


def _print_usage_error(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    if context is not None and isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        click.echo(context.get_help(), err=True)
        return
    hint = f" (see `{context.command_path} --help`)" if isinstance(error, click.UsageError) and context else ""
    message = error.format_message().rstrip(".")
    print_error(f"{message}{hint}")


def print_problems(error: HenshinError, consequence: str = "; nothing was run") -> None:
    """Print an error: one line, or for a wrong file one line for each problem and then their number."""
    if not isinstance(error, PipelineError):
        print_error(str(error))
        return
    # `file:line: ...` begins the line, for editors and terminals look for it there.
    for problem in error.problems:
        print_line(str(problem))
    print_error(f"{_count_problems(error)}{consequence}")


def _count_problems(error: PipelineError) -> str:
    number = len(error.problems)
    files = sorted({problem.where for problem in error.problems})
    return f"{number} problem{'s' * (number != 1)} in {', '.join(files)}"

"""What all commands share: options in named groups, commands loaded when called, errors in one line, exit codes."""

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

from henshin.cli.signals import close_stdout, of_stdout, terminable
from henshin.errors import HenshinError, PipelineError, TerminatedError

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.registry import Registry


INTERRUPTED = 130

UNEXPECTED = 70
"""Exit code of an error that henshin did not foresee (EX_SOFTWARE of sysexits.h); 1 says "some pictures failed"."""


CANNOT_TELL = 74
"""Exit code where stdout cannot be written: a full disk behind `> file` (EX_IOERR of sysexits.h)."""

TERMINATED = 143
"""What shells say of a program that SIGTERM ended: 128 + 15."""

READER_GONE = 141
"""What shells say of a program whose reader left: 128 + SIGPIPE."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Voice:
    """How much is said: -1 quiet, 0 usual, 1 or more details and tracebacks."""

    level: int = 0


class GroupedCommand(click.Command):
    """A command whose help lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which the headings first appear, the rest at the end."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            # Arguments are told in the text above; some versions of click have records for them too.
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                heading = getattr(parameter, "heading", None)
                (rest if heading is None else sections.setdefault(heading, [])).append(record)
        for heading, records in [*sections.items(), ("Other", rest)]:
            with formatter.section(heading):
                formatter.write_dl(records)


@dataclass(frozen=True)
class Lazy:
    """A command that is not loaded yet: where it is, its line in the help and the heading above it."""

    home: str
    line: str
    heading: str


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is called, not before."""

    def __init__(self, *args: Any, lazy: dict[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order of the help."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        entry = self.lazy.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.home.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        if args[0] not in self.lazy and not args[0].startswith("-"):
            from henshin.text import did_you_mean

            ctx.fail(f"no command named '{args[0]}'{did_you_mean(args[0], self.lazy)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands under their headings, without loading any."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.lazy.items():
            sections.setdefault(entry.heading, []).append((name, entry.line))
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def say(line: str, *, err: bool = True) -> None:
    """Print one line, to stderr unless it is a result."""
    from henshin.cli.output import plain

    click.echo(plain(line), err=err)


def complain(message: str) -> None:
    """Print an error as `henshin: message`."""
    say(f"henshin: {message}")


def registry_with(plugin_files: Sequence[Path]) -> Registry:
    """Return all plugins, also those of files; what is wrong with one is printed, and the others go on."""
    from henshin.registry import build_registry

    # What a plugin prints when it is imported must not get between what a machine reads on stdout.
    with redirect_stdout(sys.stderr):
        registry = build_registry(plugin_files)
    for problem in registry.problems:
        complain(problem)
    return registry


def invoke(command: click.Command, name: str, args: Sequence[str] | None) -> int:
    """Run a command and turn every way it may end into an exit code and at most a few lines on stderr.

    With `--json` whoever reads stdout finds one JSON document there also where nothing could be run.
    """
    words = sys.argv[1:] if args is None else list(args)
    for closed in [name for name in ("stdout", "stderr") if getattr(sys, name) is None]:
        setattr(sys, closed, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        with terminable():
            return _outcome(command, name, words, Voice())
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nothing is left to be said, nor to be flushed at the exit.
        close_stdout()
        return READER_GONE
    except OSError as error:
        close_stdout()
        with suppress(OSError):
            complain(f"cannot write to stdout: {error.strerror or error}")
        return CANNOT_TELL


def _outcome(command: click.Command, name: str, words: list[str], voice: Voice) -> int:
    """Run a command and tell how it ended. Errors: OSError when even that cannot be told."""
    try:
        result = _run(command, name, words, voice)
        sys.stdout.flush()
        return result
    except (KeyboardInterrupt, click.Abort) as error:
        complain("interrupted; run the same command again to go on")
        return _ended(TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED, error, words)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _complain_of_use(error)
        return _ended(error.exit_code, error, words)
    except HenshinError as error:
        complain_of(error)
        return _ended(error.exit_code, error, words)
    except Exception as error:
        from henshin.text import flat

        if isinstance(error, BrokenPipeError) or of_stdout(error):
            raise
        if voice.level > 0:
            traceback.print_exc()
        hint = "" if voice.level > 0 else " (-v shows where)"
        complain(f"unexpected {type(error).__name__}: {flat(error)}{hint}")
        return _ended(UNEXPECTED, error, words)


def _run(command: click.Command, name: str, words: list[str], voice: Voice) -> int:
    """Call a command, or answer a shell that completes one. Not `command.main`, which ends the process by itself."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    instruction = os.environ.get(variable)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, name, variable, instruction)
    with command.make_context(name, words, obj=voice) as context:
        return int(command.invoke(context) or 0)


def _ended(exit_code: int, error: BaseException, words: Sequence[str]) -> int:
    """Tell an error to machines if they are to be told: exit_code, error, and what is wrong with a file one by one."""
    if "--json" in words:
        import json

        problems = error.problems if isinstance(error, PipelineError) else []
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        document = {
            "exit_code": exit_code,
            "error": (_count(error) if isinstance(error, PipelineError) else message) or "interrupted",
            "problems": [asdict(problem) for problem in problems],
        }
        click.echo(json.dumps(document, indent=2))
    return exit_code


def _complain_of_use(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    if context is not None and isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        click.echo(context.get_help(), err=True)
        return
    hint = f" (see `{context.command_path} --help`)" if isinstance(error, click.UsageError) and context else ""
    message = error.format_message().rstrip(".")
    complain(f"{message}{hint}")


def complain_of(error: HenshinError, consequence: str = "; nothing was run") -> None:
    """Print a problem: one line, or for a wrong file one for each thing that is wrong, and then how many."""
    if not isinstance(error, PipelineError):
        complain(str(error))
        return
    # `file:line: what` stands at the beginning of the line, where editors and terminals look for it.
    for problem in error.problems:
        say(str(problem))
    complain(f"{_count(error)}{consequence}")


def _count(error: PipelineError) -> str:
    number = len(error.problems)
    files = sorted({problem.where for problem in error.problems})
    return f"{number} problem{'s' * (number != 1)} in {', '.join(files)}"

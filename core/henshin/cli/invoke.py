"""The run of a command as a process: its exit code, and its error in a few lines or, with `--json`, as a document."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

import click

from henshin.cli.base import INTERRUPTED, Verbosity, count_problems, print_error, print_problems
from henshin.cli.signals import sigterm_as_interrupt
from henshin.cli.stdout import discard_stdout, is_stdout_error
from henshin.errors import HenshinError, PipelineError, TerminatedError

UNEXPECTED = 70
"""Exit code of an error that henshin did not foresee (EX_SOFTWARE of sysexits.h); 1 says "some pictures failed"."""

STDOUT_FAILED = 74
"""Exit code where stdout cannot be written: a full disk behind `> file` (EX_IOERR of sysexits.h)."""

TERMINATED = 143
"""Exit code of a program that SIGTERM ended, as shells have it: 128 + 15."""

BROKEN_PIPE = 141
"""Exit code of a program whose reader has gone, as shells have it: 128 + SIGPIPE."""


_COLLECT_AFTER = 10_000
"""New objects after which garbage is looked for. A start makes a hundred thousand, none of them garbage: at Python's
own number, 700 or 2,000, the looking takes 50 of its milliseconds."""


def invoke(command: click.Command, name: str, args: Sequence[str] | None) -> int:
    """Run a command and return its exit code; an error becomes a few lines on stderr, whatever it is.

    With `--json` stdout holds one JSON document also where nothing could be run.
    """
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
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
    """Return the exit code.

    With `--json`, first print a document with the error and, for a wrong file, its problems.
    """
    if "--json" in words:
        import json

        problems = error.problems if isinstance(error, PipelineError) else []
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        document = {
            "exit_code": exit_code,
            "error": (count_problems(error) if isinstance(error, PipelineError) else message) or "interrupted",
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

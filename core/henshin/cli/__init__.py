"""The command line: `henshin` with its commands, and `run-pipeline`, which is `henshin run`.

The commands are modules of their own, loaded when one is called: `--help` answers without loading what the work needs.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run `henshin ARGS` (default: those of the process). Returns the exit code."""
    from henshin.cli.app import henshin
    from henshin.cli.invoke import invoke

    return invoke(henshin, "henshin", args)


def run_pipeline(args: Sequence[str] | None = None) -> int:
    """Run `run-pipeline ARGS` (default: those of the process). Returns the exit code."""
    from henshin.cli.commands.run import run
    from henshin.cli.invoke import invoke

    return invoke(run, "run-pipeline", args)

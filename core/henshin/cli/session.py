"""One call of `run-pipeline`, from the words of the command line to what is printed at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import complain, registry_with, say
from henshin.cli.text import amount, passed_over, table

if TYPE_CHECKING:
    from henshin.engine import Plan, RunOptions, Summary
    from henshin.images import WriteOptions


def session(asked: dict[str, Any], level: int) -> int:
    """Run a pipeline as asked, or print what would be run. Returns the exit code.

    Errors: HenshinError for whatever is wrong with the pipeline, the use or the environment.
    """
    from henshin.cli.log import log_to
    from henshin.cli.report import reporter
    from henshin.engine import plan, run
    from henshin.models import ModelStore
    from henshin.pipeline import load

    registry = registry_with(asked["plugin_files"])
    store = ModelStore()
    with _quiet_stdout(asked["as_json"]):
        pipeline = load(asked["pipeline"], registry, store, asked["overrides"])
    options = run_options(asked)
    inputs: list[Path | str] = list(asked["inputs"])
    if asked["dry_run"]:
        with log_to(say, level), _quiet_stdout(asked["as_json"]):
            planned = plan(pipeline, inputs, asked["output"], options, store=store, registry=registry)
        tell_plan(planned, asked["as_json"])
        return 0
    report = reporter(level)
    with log_to(report.line, level), _quiet_stdout(asked["as_json"]):
        summary = run(pipeline, inputs, asked["output"], options, store=store, registry=registry, report=report)
    tell_summary(summary, asked["as_json"], level)
    return summary.exit_code


def _quiet_stdout(as_json: bool) -> AbstractContextManager[Any]:
    """Within: what stages and plugins print goes to stderr, if a machine reads stdout."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def tell_plan(planned: Plan, as_json: bool) -> None:
    """Print a plan on stdout."""
    if as_json:
        click.echo(json.dumps(planned.as_dict(), indent=2))
        return
    for line in plan_lines(planned):
        say(line, err=False)


def tell_summary(summary: Summary, as_json: bool, level: int) -> None:
    """Print a summary on stdout, in words or as JSON; if quiet, only what failed, on stderr."""
    from henshin.cli.report import summary_lines

    if as_json:
        click.echo(summary.to_json())
    elif level >= 0:
        for line in summary_lines(summary, level):
            say(line, err=False)
    if level < 0:
        for failure in summary.failures:
            say(f"failed: {failure.source}: {failure.stage}: {failure.reason}")
    if summary.interrupted:
        complain("interrupted; the same command goes on from there")
    elif summary.stopped:
        complain(f"stopped: {summary.stopped}; the same command goes on from there")


def run_options(asked: dict[str, Any]) -> RunOptions:
    """Turn words into the engine's options. Errors: click.UsageError for a format or quality that cannot be."""
    from henshin.engine import RunOptions

    return RunOptions(
        device=asked["device"],
        require_gpu=asked["require_gpu"],
        batch_size=asked["batch_size"],
        write=write_options(asked),
        on_existing=asked["on_existing"],
        retry_failed=asked["retry_failed"],
        limit=asked["limit"],
    )


def write_options(asked: dict[str, Any]) -> WriteOptions:
    """Turn words into the writer's options. Errors: click.UsageError for a format or quality that cannot be."""
    from pydantic import ValidationError

    from henshin.images import WriteOptions

    words = {
        "format": asked["fmt"],
        "quality": asked["quality"],
        "metadata": asked["metadata"],
        "colour": asked["colour"],
    }
    try:
        return WriteOptions.model_validate({name: value for name, value in words.items() if value is not None})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        reason = fault["msg"].removeprefix("Value error, ")
        raise click.UsageError(f"--{fault['loc'][0]}: {reason}", click.get_current_context()) from error


def plan_lines(plan: Plan) -> Iterator[str]:
    """Say what a run would do: stages with options, models and providers, and the number of files."""
    yield f"{plan.pipeline} on {plan.device} -> {plan.output}"
    for number, stage in enumerate(plan.stages, 1):
        options = ", ".join(f"{name}={_short(value)}" for name, value in stage.options.items() if value is not None)
        yield f"  {number}. {stage.name} on {stage.works_on}{': ' + options if options else ''}"
        for model in stage.models:
            yield f"     model {model.name}: {model.path} ({model.licence or 'licence not stated'})"
            if model.remark:
                yield f"     {model.remark}"
        for network in stage.networks:
            yield f"     network {network}"
    if plan.providers:
        yield "networks:"
        yield from table([(name, providers[0]) for name, providers in plan.providers.items()])
    yield from _file_lines(plan)
    yield from plan.notes


def _file_lines(plan: Plan) -> Iterator[str]:
    if plan.files is None:
        yield "the pictures are made by the first stage"
        return
    counts = [f"{plan.to_do} to do"]
    for number, words in (
        (plan.up_to_date, "up to date"),
        (plan.failed_before, "failed before (--retry-failed tries them again)"),
        (plan.existing, "not touched, for a file is there already"),
    ):
        if number:
            counts.append(f"{number} {words}")
    others = f"; {passed_over(plan.non_pictures)}" if plan.non_pictures else ""
    yield f"{amount(plan.files, 'picture')}: {', '.join(counts)}{others}"
    yield from table([(source, "->", name) for source, name in plan.names.items()])
    if plan.files > len(plan.names):
        yield "  ..."


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"

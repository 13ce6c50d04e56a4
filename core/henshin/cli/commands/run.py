"""One call of `run-pipeline`, from the words of the command line to what is printed at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from henshin import __version__
from henshin.cli.base import Voice, complain, registry_with, say
from henshin.cli.options import RunCommand, batch_size, device, option, plugin_option, voiced
from henshin.cli.output import amount, passed_over, table

if TYPE_CHECKING:
    from henshin.engine import Plan, RunOptions, Summary
    from henshin.images import WriteOptions


def session(asked: dict[str, Any], level: int) -> int:
    """Run a pipeline as asked, or print what would be run. Returns the exit code.

    Errors: HenshinError for whatever is wrong with the pipeline, the use or the environment.
    """
    from henshin.cli.output import log_to
    from henshin.cli.progress import reporter
    from henshin.engine import RunRequest, plan, run
    from henshin.models import ModelStore
    from henshin.pipeline import load

    registry = registry_with(asked["plugin_files"])
    store = ModelStore()
    with _quiet_stdout(asked["as_json"]):
        pipeline = load(asked["pipeline"], registry, store, asked["overrides"])
    request = RunRequest(pipeline, asked["inputs"], asked["output"], run_options(asked), store, registry)
    if asked["dry_run"]:
        with log_to(say, level), _quiet_stdout(asked["as_json"]):
            planned = plan(request)
        tell_plan(planned, asked["as_json"])
        return 0
    report = reporter(level)
    with log_to(report.line, level), _quiet_stdout(asked["as_json"]):
        summary = run(request, report)
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
    from henshin.cli.progress import summary_lines

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


_WHERE, _HOW, _AGAIN, _SAID = "Where networks run", "How results are written", "What is there already", "What is said"


@click.command(cls=RunCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("pipeline", required=False)
@option(
    "-i", "--input", "inputs", multiple=True, metavar="PATH...", help="Files, folders (with all below them), globs."
)
@option("-o", "--output", type=click.Path(), help="Folder, or for one picture a file; ./henshin-out/NAME.")
@option("--set", "overrides", multiple=True, metavar="STAGE.OPTION=VALUE", help="Change an option of a stage.")
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after the first N pictures.")
@option("--dry-run", is_flag=True, help="Print the plan (stages, models, providers, number of files) and stop.")
@option("--device", default="auto", show_default=True, callback=device, heading=_WHERE, help="auto, cpu, cuda, cuda:N.")
@option("--require-gpu", is_flag=True, heading=_WHERE, help="Fail if no GPU can be used, also without any network.")
@option(
    "--batch-size", default="auto", show_default=True, callback=batch_size, heading=_WHERE, help="auto or a number."
)
@option("--format", "fmt", metavar="FORMAT", heading=_HOW, help="png, jpeg, webp, ...; else the input's own, else PNG.")
@option("--quality", type=click.IntRange(1, 100), heading=_HOW, metavar="1-100", help="Of lossy formats; else 95.")
@option(
    "--metadata", type=click.Choice(["keep", "strip"]), default="keep", show_default=True, heading=_HOW, help="EXIF."
)
@option(
    "--colour",
    "--color",
    type=click.Choice(["srgb", "keep"]),
    default="srgb",
    show_default=True,
    heading=_HOW,
    help="Write sRGB, or convert back to the input's own profile.",
)
@option(
    "--on-existing",
    type=click.Choice(["skip", "overwrite", "error"]),
    default="error",
    show_default=True,
    heading=_AGAIN,
    help="For files in the output folder that no earlier run wrote.",
)
@option("--retry-failed", is_flag=True, heading=_AGAIN, help="Try again what failed in an earlier run.")
@option("--json", "as_json", is_flag=True, heading=_SAID, help="Print a summary for machines on stdout, and only that.")
@voiced
@click.version_option(__version__, prog_name="henshin")
@click.pass_context
def run(ctx: click.Context, /, **asked: Any) -> int:
    """Run PIPELINE (a YAML file, or the name of a ready pipeline) over pictures.

    Several paths may follow one -i. Results mirror the tree of the inputs. A second run does only what is new or
    changed.

    Example: run-pipeline selfie2anime.yaml -i photos/ -o out/
    """

    return session(_with_pipeline(ctx, asked), ctx.ensure_object(Voice).level)


def _with_pipeline(ctx: click.Context, asked: dict[str, Any]) -> dict[str, Any]:
    """Find the pipeline also where it follows the paths: `run-pipeline -i photos/ selfie2anime.yaml`."""
    if asked["pipeline"] is None:
        named = [word for word in asked["inputs"] if word.lower().endswith((".yaml", ".yml"))]
        if len(named) != 1:
            raise click.UsageError("no pipeline given: its file or name comes first", ctx)
        asked = {**asked, "pipeline": named[0], "inputs": tuple(word for word in asked["inputs"] if word != named[0])}
    return asked

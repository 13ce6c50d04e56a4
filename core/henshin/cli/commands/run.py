"""`henshin run` and `run-pipeline`: a run of a pipeline, its plan, and the printing of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from henshin import __version__
from henshin.cli.base import Verbosity, load_registry, print_error, print_line
from henshin.cli.options import (
    DEVICE_HEADING,
    OUTPUT_HEADING,
    SETTINGS,
    DeviceOptions,
    InputsCommand,
    device_options,
    inputs_option,
    json_option,
    option,
    parse_memory,
    plugin_option,
    stage_overrides_option,
    verbosity_options,
)
from henshin.cli.output import format_count, format_passed_over, format_table, log_to, reserve_stdout
from henshin.errors import HenshinError

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.engine import Plan, RunOptions, RunRequest, Summary
    from henshin.engine.options import OnExisting
    from henshin.images import WriteOptions


@dataclass(frozen=True, kw_only=True)
class RunCommandOptions(DeviceOptions):
    """The options of `henshin run`; ``format``, ``quality``, ``metadata`` and ``colour`` are those of the writer."""

    pipeline: str
    inputs: tuple[str, ...]
    output: str | None
    overrides: tuple[str, ...]
    plugin_files: tuple[Path, ...]
    limit: int | None
    workers: int | None
    memory: int | None
    dry_run: bool
    profile: bool
    format: str | None
    quality: int | None
    metadata: str
    colour: str
    on_existing: OnExisting
    retry_failed: bool
    gallery: bool
    as_json: bool


def execute(options: RunCommandOptions, level: int) -> int:
    """Run a pipeline, or print its plan. Returns the exit code.

    Errors: HenshinError for whatever is wrong with the pipeline, the use or the environment.
    """
    from henshin.cli.progress import make_reporter
    from henshin.engine import RunRequest, plan, run
    from henshin.models import ModelStore
    from henshin.pipeline import load

    registry = load_registry(options.plugin_files)
    store = ModelStore()
    with reserve_stdout(options.as_json):
        pipeline = load(options.pipeline, registry, store, options.overrides)
    request = RunRequest(pipeline, options.inputs, options.output, engine_options(options), store, registry)
    if options.dry_run:
        with log_to(print_line, level), reserve_stdout(options.as_json):
            planned = plan(request)
        print_plan(planned, options.as_json)
        return 0
    reporter = make_reporter(level)
    if options.gallery:
        check_gallery(request)
    with log_to(reporter.print_line, level), reserve_stdout(options.as_json):
        summary = run(request, reporter)
    problem = None
    if options.gallery and not (summary.interrupted or summary.stopped):
        try:
            add_gallery(summary, level)
        except HenshinError as error:
            problem = error
    print_summary(summary, options.as_json, level)
    if problem is not None:
        raise problem
    return summary.exit_code


def check_gallery(request: RunRequest) -> None:
    """Check before a run that it can have a gallery. Errors: HenshinError for a single output file."""
    from henshin.engine.preparation.outputs import resolve_target

    target = resolve_target(request.output, request.pipeline.name, request.inputs, request.options.write)
    if target.record is None:
        raise HenshinError(f"'{target.display_path}' is a single picture; --gallery wants a folder with -o")


def add_gallery(summary: Summary, level: int) -> None:
    """Make the gallery of a finished run. Errors: HenshinError."""
    from pathlib import Path

    from henshin.cli.gallery import write_gallery
    from henshin.gallery import GalleryOptions

    summary.gallery = str(write_gallery(Path(summary.output), GalleryOptions(), level))


def print_plan(planned: Plan, as_json: bool) -> None:
    """Print a plan on stdout."""
    if as_json:
        click.echo(json.dumps(planned.as_dict(), indent=2))
        return
    for line in plan_lines(planned):
        print_line(line, err=False)


def print_summary(summary: Summary, as_json: bool, level: int) -> None:
    """Print a summary on stdout, in words or as JSON; if quiet, only what failed, on stderr."""
    from henshin.cli.progress import summary_lines

    if as_json:
        click.echo(summary.to_json())
    elif level >= 0:
        for line in summary_lines(summary, level):
            print_line(line, err=False)
    if level < 0:
        for failure in summary.failures:
            print_line(f"failed: {failure.source}: {failure.stage}: {failure.reason}")
    if summary.interrupted:
        print_error("interrupted; the same command goes on from there")
    elif summary.stopped:
        print_error(f"stopped: {summary.stopped}; the same command goes on from there")


def engine_options(options: RunCommandOptions) -> RunOptions:
    """Return the engine's options. Errors: click.UsageError for a format or quality that cannot be."""
    from henshin.engine import Limits, RunOptions

    return RunOptions(
        device=options.device,
        require_gpu=options.require_gpu,
        batch_size=options.batch_size,
        write=write_options(options),
        on_existing=options.on_existing,
        retry_failed=options.retry_failed,
        limit=options.limit,
        limits=Limits(memory=options.memory, workers=options.workers),
        profile=options.profile,
    )


def write_options(options: RunCommandOptions) -> WriteOptions:
    """Return the writer's options. Errors: click.UsageError for a format or quality that cannot be."""
    from pydantic import ValidationError

    from henshin.images import WriteOptions

    values = {
        "format": options.format,
        "quality": options.quality,
        "metadata": options.metadata,
        "colour": options.colour,
    }
    try:
        return WriteOptions.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        reason = fault["msg"].removeprefix("Value error, ")
        raise click.UsageError(f"--{fault['loc'][0]}: {reason}", click.get_current_context()) from error


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan: stages with options, models and providers, and the number of files."""
    yield f"{plan.pipeline} on {plan.device} -> {plan.output}"
    for number, stage in enumerate(plan.stages, 1):
        options = ", ".join(f"{name}={_shorten(value)}" for name, value in stage.options.items() if value is not None)
        yield f"  {number}. {stage.name} on {stage.works_on}{': ' + options if options else ''}"
        for model in stage.models:
            yield f"     model {model.name}: {model.path} ({model.licence or 'licence not stated'})"
            if model.remark:
                yield f"     {model.remark}"
        for network in stage.networks:
            yield f"     network {network}"
    if plan.providers:
        yield "networks:"
        yield from format_table([(name, providers[0]) for name, providers in plan.providers.items()])
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
    others = f"; {format_passed_over(plan.non_pictures)}" if plan.non_pictures else ""
    yield f"{format_count(plan.files, 'picture')}: {', '.join(counts)}{others}"
    yield from format_table([(source, "->", name) for source, name in plan.names.items()])
    if plan.files > len(plan.names):
        yield "  ..."


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"


_WRITING, _EXISTING = "How results are written", "Existing files"


@click.command(cls=InputsCommand, context_settings=SETTINGS)
@click.argument("pipeline", required=False)
@inputs_option
@option("-o", "--output", type=click.Path(), help="Folder, or for one picture a file; ./henshin-out/NAME.")
@stage_overrides_option("Change an option of a stage.")
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after the first N pictures.")
@option("--dry-run", is_flag=True, help="Print the plan (stages, models, providers, number of files) and stop.")
@device_options
@option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    heading=DEVICE_HEADING,
    help="Pictures at once; else as suits the cores. The cores are shared among them.",
)
@option(
    "--memory",
    callback=parse_memory,
    metavar="SIZE",
    heading=DEVICE_HEADING,
    help="Bound of the pictures held in memory, such as 512M; else 256M, and as much again for each picture at once.",
)
@option("--format", metavar="FORMAT", heading=_WRITING, help="png, jpeg, webp, ...; else the input's own, else PNG.")
@option("--quality", type=click.IntRange(1, 100), heading=_WRITING, metavar="1-100", help="Of lossy formats; else 95.")
@option(
    "--metadata",
    type=click.Choice(["keep", "strip"]),
    default="keep",
    show_default=True,
    heading=_WRITING,
    help="EXIF.",
)
@option(
    "--colour",
    "--color",
    type=click.Choice(["srgb", "keep"]),
    default="srgb",
    show_default=True,
    heading=_WRITING,
    help="Write sRGB, or convert back to the input's own profile.",
)
@option(
    "--on-existing",
    type=click.Choice(["skip", "overwrite", "error"]),
    default="error",
    show_default=True,
    heading=_EXISTING,
    help="For files in the output folder that no earlier run wrote.",
)
@option(
    "--gallery",
    is_flag=True,
    heading=OUTPUT_HEADING,
    help="Make a page of the results at the end, in OUT/gallery, as henshin gallery OUT does at any time.",
)
@option("--retry-failed", is_flag=True, heading=_EXISTING, help="Try again what failed in an earlier run.")
@option(
    "--profile",
    is_flag=True,
    heading=OUTPUT_HEADING,
    help="Say where the time went, and write a trace of all threads for chrome://tracing or Perfetto.",
)
@json_option("a summary")
@verbosity_options
@click.version_option(__version__, prog_name="henshin")
@click.pass_context
def run(ctx: click.Context, /, pipeline: str | None, inputs: tuple[str, ...], **given: Any) -> int:
    """Run PIPELINE (a YAML file, or the name of a ready pipeline) over pictures.

    Several paths may follow one -i. Results mirror the tree of the inputs. A second run does only what is new or
    changed.

    Example: run-pipeline selfie2anime.yaml -i photos/ -o out/
    """
    pipeline, inputs = _find_pipeline(ctx, pipeline, inputs)
    options = RunCommandOptions(pipeline=pipeline, inputs=inputs, **given)
    return execute(options, ctx.ensure_object(Verbosity).level)


def _find_pipeline(ctx: click.Context, pipeline: str | None, inputs: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the pipeline and the inputs, also of `run-pipeline -i photos/ selfie2anime.yaml`.

    Errors: click.UsageError without a pipeline.
    """
    if pipeline is not None:
        return pipeline, tuple(inputs)
    named = [path for path in inputs if path.lower().endswith((".yaml", ".yml"))]
    if len(named) != 1:
        raise click.UsageError("no pipeline given: its file or name comes first", ctx)
    return named[0], tuple(path for path in inputs if path != named[0])

"""`henshin evaluate --real DIR --fake DIR`: figures of sets of pictures, as a table, as JSON, and as a plot."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from henshin.cli.base import load_registry, print_line
from henshin.cli.comparison import check_plot_path, track_progress
from henshin.cli.options import DeviceOptions
from henshin.cli.output import format_count, format_table, log_to, reserve_stdout
from henshin.text import did_you_mean, join_names

if TYPE_CHECKING:
    from henshin.metrics import Evaluation, Figure, FileSet, PairMeasure, Results
    from henshin.models import ModelStore

LANDMARK_STAGE = "face_detect"
"""The stage that finds the landmarks of the metric `landmarks`."""

MOST_NAMED = 5
"""Pictures that are named where several have the same fault; --json has all."""


@dataclass(frozen=True, kw_only=True)
class SetEvaluationOptions(DeviceOptions):
    """The options of `henshin evaluate` on sets of pictures."""

    real: Path
    fake: Path
    source: Path | None
    metrics: tuple[str, ...]
    networks: tuple[str, ...]
    overrides: tuple[str, ...]
    plugin_files: tuple[Path, ...]
    limit: int | None
    channels: Literal["y", "rgb"]
    border: int
    seed: int
    resamples: int
    plot: Path | None
    force: bool
    as_json: bool


def evaluate_sets(options: SetEvaluationOptions, level: int) -> int:
    """Measure sets, and print and plot the figures. Returns the exit code. Errors: HenshinError."""
    from henshin.cli.progress import make_reporter

    if options.plot is not None:
        check_plot_path(options.plot, options.force)
    reporter = make_reporter(level)
    with log_to(reporter.print_line, level), reserve_stdout(options.as_json):
        evaluation = make_evaluation(options)
        with track_progress(reporter, evaluation.steps()) as finish:
            evaluation.ended = finish
            results = evaluation.run()
    if options.plot is not None and results.figures:
        from henshin.images.sheets.pages import write_page
        from henshin.metrics.plot import draw_figures

        write_page(draw_figures(results.figures), options.plot)
    if options.as_json:
        click.echo(json.dumps({"seed": options.seed, **results.as_dict()}, indent=2))
    else:
        for line in figure_lines(results.figures):
            print_line(line, err=False)
    for line in fault_lines(results):
        print_line(line)
    return results.exit_code


def make_evaluation(options: SetEvaluationOptions) -> Evaluation:
    """Return the evaluation that the options ask for. Errors: HenshinError."""
    from henshin.files import user_cache
    from henshin.metrics import Cache, Evaluation, usual_metrics
    from henshin.models import ModelStore
    from henshin.train.metrics import default_judge, make_toolbox

    store = ModelStore()
    metrics = chosen_metrics(options.metrics) or usual_metrics(options.source is not None)
    if options.overrides and "landmarks" not in metrics:
        raise click.UsageError(f"--set is for --metrics landmarks: --set {LANDMARK_STAGE}.detector=yunet")
    real, fake = list_set(options.real, "--real", options.limit), list_set(options.fake, "--fake", options.limit)
    source = None if options.source is None else list_set(options.source, "--source", options.limit)
    judges = tuple(dict.fromkeys(options.networks)) or (default_judge(store),)
    more = {"landmarks": _landmarks(options, store)} if "landmarks" in metrics else {}
    cache = Cache(user_cache() / "features")
    tools = make_toolbox(store, judges, cache, options.channels, options.border, more)
    return Evaluation(real, fake, source, metrics, tools, options.seed, options.resamples)


def chosen_metrics(values: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics of `--metrics`, which may be given several times, with commas. Errors: click.UsageError."""
    from henshin.metrics import METRICS

    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    for name in names:
        if name not in METRICS:
            hint = did_you_mean(name, METRICS) or f"; there are: {', '.join(METRICS)}"
            raise click.UsageError(f"--metrics: there is no metric '{name}'{hint}", click.get_current_context())
    return tuple(one for one in METRICS if one in names)


def list_set(path: Path, name: str, limit: int | None) -> FileSet:
    """Return the pictures of a folder, in their natural order. Errors: HenshinError where there are none."""
    from henshin.evaluation import plain_set
    from henshin.metrics import FileSet

    found = plain_set([str(path)], name, limit)
    return FileSet(name, {member: file for member, file, _ in found.members}, dict(found.unfit))


def _landmarks(options: SetEvaluationOptions, store: ModelStore) -> Callable[[], PairMeasure]:
    """Return the measure by the detector of faces, with the options that `--set` gives to its stage.

    Errors: PipelineError for a wrong option.
    """
    from henshin.pipeline import load

    registry = load_registry(options.plugin_files)
    with tempfile.TemporaryDirectory(prefix="henshin-") as folder:
        file = Path(folder) / "landmarks.yaml"
        file.write_text(f"stages:\n  - use: {LANDMARK_STAGE}\n", encoding="utf-8")
        (stage,) = load(str(file), registry, store, options.overrides).stages

    def measure() -> PairMeasure:
        from henshin.api.context import Context
        from henshin.files import user_cache
        from henshin.metrics.faces import FaceFinder, LandmarkDistance
        from henshin.runtime import resolve_device

        device = resolve_device(options.device, options.require_gpu)
        log = logging.getLogger("henshin")
        context = Context(device, options.batch_size, user_cache(), log, registry, store, Path.cwd())
        return LandmarkDistance(FaceFinder(stage, context))

    return measure


def figure_lines(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the lines of the table of figures, and below it the notes."""
    head = ("METRIC", "VALUE", "95 % INTERVAL", "BETTER", "PICTURES")
    yield from format_table([head, *map(_cells, figures)] if figures else [], indent="")
    by_note: dict[str, list[str]] = {}
    for figure in figures:
        for note in figure.notes:
            by_note.setdefault(note, []).append(figure.key)
    for note, keys in by_note.items():
        yield f"note: {', '.join(keys)}: {note}"


def _cells(figure: Figure) -> tuple[str, ...]:
    interval = "-" if figure.low is None or figure.high is None else f"{_number(figure.low)} to {_number(figure.high)}"
    counts = figure.pictures.items()
    pictures = ", ".join(
        format_count(count, "pair") if role == "pairs" else f"{count} {role}" for role, count in counts
    )
    return (figure.title, _number(figure.value), interval, figure.better, pictures)


def _number(value: float) -> str:
    from math import isinf

    return "equal" if isinf(value) else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def fault_lines(results: Results) -> Iterator[str]:
    """Yield a line for each metric without a figure, and for each kind of pictures that do not count."""
    for metric, reason in results.unmeasured.items():
        yield f"not measured: {metric}: {reason}"
    for name, unreadable in results.unreadable.items():
        yield f"{name}: {format_count(len(unreadable), 'picture')} cannot be read: {_named(unreadable)}"
    for name, unpaired in results.unpaired.items():
        yield f"{name}: {format_count(len(unpaired), 'picture')} without a figure: {_named(unpaired)}"


def _named(pictures: Mapping[str, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for name, reason in pictures.items():
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{join_names(names, MOST_NAMED)} ({reason})" for reason, names in reasons.items())


def set_options(given: Mapping[str, Any]) -> SetEvaluationOptions:
    """Return the options of an evaluation of sets among all of the command. Errors: click.UsageError."""
    context = click.get_current_context()
    if given["real"] is None or given["fake"] is None:
        raise click.UsageError("--real and --fake go together: the true pictures, and what is measured", context)
    others = {"MODEL": "methods", "--on": "sets", "--truth": "truths"}
    others |= {"--scale": "scales", "--sheet": "sheet", "--each": "each"}
    for word, name in others.items():
        if given[name]:
            raise click.UsageError(f"{word} does not go with --real and --fake", context)
    names = SetEvaluationOptions.__dataclass_fields__
    values = {name: value for name, value in given.items() if name in names}
    values["channels"] = given["channels"] or "rgb"
    values["border"] = given["border"] or 0
    return SetEvaluationOptions(**values)

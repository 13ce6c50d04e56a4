"""The models and pipelines that `henshin evaluate` and `sheet` compare, their progress, and the sheet's file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from henshin.cli.base import load_registry, print_line
from henshin.cli.options import DeviceOptions
from henshin.cli.output import format_count
from henshin.errors import HenshinError, MissingError
from henshin.files import exists
from henshin.text import did_you_mean, join_names

if TYPE_CHECKING:
    from henshin.cli.progress import LineReporter
    from henshin.evaluation import ByModel, ByPipeline, Method, Networks, Sheet
    from henshin.models import ModelStore

DEFAULT_SCALES = (2, 3, 4)
_SCALE_UNKNOWN = "a pipeline does not say how far it enlarges; say it with --scale"


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(DeviceOptions):
    """The options of every command that compares: the models and pipelines, and where and how they run."""

    methods: tuple[str, ...]
    overrides: tuple[str, ...]
    plugin_files: tuple[Path, ...]


@dataclass
class Comparison:
    """The models and pipelines that are compared, ready but not opened; ``named`` holds both in their order."""

    models: list[ByModel]
    pipelines: list[ByPipeline]
    named: list[ByModel | ByPipeline]

    def methods(self, scale: int) -> list[Method]:
        """Return the methods that are compared at a scale, the baselines first."""
        from henshin.evaluation import baselines

        return [*baselines(scale), *self.named]

    def largest_scale(self) -> int:
        """Return the largest scale that the models have in common, without models that of the pipelines' options.

        1 where nothing enlarges. Errors: HenshinError.
        """
        if self.models:
            common = set.intersection(*(set(one.scales) for one in self.models))
            return max(common) if common else max(self.common_scales())
        own = {one.own_scale() or DEFAULT_SCALES[-1] for one in self.pipelines} or {DEFAULT_SCALES[-1]}
        if len(own) > 1:
            raise HenshinError(
                f"these pipelines enlarge by {join_names(map(str, own))}; say with --scale what the sheet shows"
            )
        return own.pop()

    def check(self, scales: Sequence[int]) -> None:
        """Check that every model and pipeline can do every scale. Errors: HenshinError."""
        for scale in scales:
            for one in self.named:
                one.check(scale)

    def common_scales(self) -> list[int]:
        """Return the scales that all models have, without models the default ones. Errors: HenshinError."""
        if self.pipelines:
            raise HenshinError(_SCALE_UNKNOWN)
        if not self.models:
            return list(DEFAULT_SCALES)
        common = sorted(set.intersection(*(set(one.scales) for one in self.models)) - {1})
        if common:
            return common
        for one in self.models:
            if set(one.scales) == {1}:
                raise HenshinError(
                    f"model '{one.name}' keeps the size of pictures: it is measured on pairs, with --truth"
                )
        own = "; ".join(f"{one.name}: {', '.join(map(str, sorted(one.scales)))}" for one in self.models)
        raise HenshinError(f"these models have no scale in common ({own}); measure them one by one")


@contextmanager
def open_comparison(options: ComparisonOptions, note: Callable[[str], None]) -> Iterator[Comparison]:
    """Yield the comparison of the named models and pipelines; pipelines work in a folder that is removed at the end.

    Errors: HenshinError, MissingError for a name that is neither a model's nor a pipeline's.
    """
    from henshin.engine import RunOptions
    from henshin.evaluation import ByModel, ByPipeline
    from henshin.images import WriteOptions
    from henshin.models import ModelStore

    registry, store = load_registry(options.plugin_files), ModelStore()
    note_once = _without_repeats(note)
    networks = make_networks(options, store, note_once)
    run_options = RunOptions(
        device=options.device,
        require_gpu=options.require_gpu,
        batch_size=options.batch_size,
        write=WriteOptions(format="PNG", metadata="strip"),
    )
    names = list(dict.fromkeys(options.methods))
    models: dict[str, ByModel] = {}
    pipelines: dict[str, ByPipeline] = {}
    with tempfile.TemporaryDirectory(prefix="henshin-") as folder:
        for number, name in enumerate(names):
            if is_pipeline(name, store):
                place = Path(folder) / str(number)
                pipelines[name] = ByPipeline(name, options.overrides, place, run_options, store, registry, note_once)
            else:
                models[name] = ByModel(name, networks)
        if options.overrides and not pipelines:
            raise click.UsageError("--set changes pipelines, and none is named", click.get_current_context())
        both: dict[str, ByModel | ByPipeline] = {**models, **pipelines}
        yield Comparison(list(models.values()), list(pipelines.values()), [both[name] for name in names])


def _without_repeats(note: Callable[[str], None]) -> Callable[[str], None]:
    """Return ``note`` without repetitions: every run of a pipeline has the same notes."""
    before: set[str] = set()

    def note_once(text: str) -> None:
        if text not in before:
            before.add(text)
            note(text)

    return note_once


def make_networks(options: DeviceOptions, store: ModelStore, note: Callable[[str], None]) -> Networks:
    """Return the networks of models, opened on first use on the device of the options. Errors: HenshinError."""
    from henshin.evaluation import Networks
    from henshin.runtime import resolve_device

    return Networks(store, resolve_device(options.device, options.require_gpu), options.batch_size, note)


def is_pipeline(name: str, store: ModelStore, kinds: Sequence[str] = ("translator",)) -> bool:
    """Return whether a name is a pipeline's, not a model's; a name that both have means the model.

    Errors: MissingError for a name that neither has, with the pipelines and the models of these ``kinds``.
    """
    from henshin.config.options import ModelOption
    from henshin.files import data_folder
    from henshin.models.requirements import suitable_models
    from henshin.models.store import SUFFIX, is_path

    if name.endswith((".yaml", ".yml")):
        return True
    if name in ("lanczos", "bicubic", "input"):
        raise HenshinError(f"'{name}' need not be named: it is always there where it can be")
    if store.knows(name) and not (is_path(name) and exists(Path(name)) and not name.endswith(SUFFIX)):
        return False
    if exists(Path(name)):
        raise HenshinError(f"'{name}' is neither a model (.onnx) nor a pipeline (.yaml)")
    ready = [path.stem for path in data_folder("pipelines").glob("*.yaml")]
    if name in ready:
        return True
    here = [one for kind in kinds for one in suitable_models(store, ModelOption(kind=kind))]
    families = [one.rpartition("-x")[0] for one in here if one.rpartition("-x")[2].isdigit()]
    there_are = f"; models: {join_names(here) or 'none'}; pipelines: {join_names(ready) or 'none'}"
    hint = did_you_mean(name, [*families, *here, *ready]) or there_are
    raise MissingError(f"no model or pipeline named '{name}'{hint}")


def require_model_or_pipeline(name: str, store: ModelStore, kinds: Sequence[str]) -> None:
    """Check that a name is a model's or a pipeline's. Errors: those of ``is_pipeline``."""
    is_pipeline(name, store, kinds)


@contextmanager
def track_progress(report: LineReporter, total: int) -> Iterator[Callable[[str, str | None], None]]:
    """Show the progress while the block runs; yield the function to call with each picture and its failure or None."""
    from henshin.engine import Summary

    def finish(name: str, reason: str | None) -> None:
        report.done(name, "done" if reason is None else "failed", reason)

    report.started(total)
    try:
        yield finish
    finally:
        report.finished(Summary("", ""))


def set_names(paths: Sequence[str]) -> list[str]:
    """Return the names of sets: those of their folders, and the whole paths where two folders have one name."""
    from henshin.evaluation import default_name

    short = [default_name(path) or path for path in paths]
    return [path if short.count(name) > 1 else name for path, name in zip(paths, short, strict=True)]


def check_plot_path(path: Path, force: bool) -> None:
    """Check that a plot can be drawn and written to a file, before anything is measured. Errors: HenshinError."""
    from henshin.images.sheets.pages import require_matplotlib

    check_sheet_path(path, force, "plot")
    require_matplotlib()


def check_sheet_path(path: Path, force: bool, what: str = "sheet") -> None:
    """Check that a sheet can be written to a file, before anything is drawn. Errors: HenshinError."""
    from henshin.images import FORMATS, output_format

    if path.suffix.lower() not in FORMATS:
        raise HenshinError(f"'{path}': a {what} is a picture, such as {what}.png")
    try:
        output_format(None, path.suffix)
    except ValueError as error:
        raise HenshinError(f"'{path}': {error}") from None
    if path.exists() and not force:
        raise HenshinError(f"{path}: a file of this name is there already; give another name, or --force")


def save_sheet(sheet: Sheet, path: Path, level: int, holds: str = "") -> None:
    """Write a sheet and print its file's name and what it `holds`: else how many pictures. Errors: HenshinError."""
    if not sheet.strips:
        raise HenshinError("no picture could be drawn, so that there is no sheet")
    sheet.save(path)
    if level >= 0:
        print_line(f"{path}: {holds or format_count(len(sheet.strips), 'picture')}: {', '.join(sheet.headings)}")

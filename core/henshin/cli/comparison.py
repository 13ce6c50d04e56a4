"""What `henshin evaluate` and `henshin sheet` share: who takes part, how it is told, where a sheet goes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import registry_with, say
from henshin.cli.output import amount
from henshin.config.options import ModelOption
from henshin.errors import HenshinError, MissingError
from henshin.files import exists
from henshin.text import did_you_mean, listed

if TYPE_CHECKING:
    from henshin.cli.progress import Lines
    from henshin.evaluation import ByModel, ByPipeline, Method, Networks, Sheet
    from henshin.models import ModelStore

USUAL_SCALES = (2, 3, 4)
_WITHOUT_SCALE = "a pipeline does not say how far it enlarges; say it with --scale"


@dataclass
class Comparison:
    """The models and pipelines that were named, ready but not opened."""

    models: list[ByModel]
    pipelines: list[ByPipeline]
    named: list[ByModel | ByPipeline]

    def methods(self, scale: int) -> list[Method]:
        """Return all that draw at a scale, the baselines first."""
        from henshin.evaluation import baselines

        return [*baselines(scale), *self.named]

    def furthest(self) -> int:
        """Return how far all can enlarge: the largest scale that models have in common, else what pipelines say.

        1 where nothing enlarges. Errors: HenshinError.
        """
        if self.models:
            common = set.intersection(*(set(one.scales) for one in self.models))
            return max(common) if common else max(self.common_scales())
        own = {one.own_scale() or USUAL_SCALES[-1] for one in self.pipelines} or {USUAL_SCALES[-1]}
        if len(own) > 1:
            raise HenshinError(
                f"these pipelines enlarge by {listed(map(str, own))}; say with --scale what the sheet shows"
            )
        return own.pop()

    def check(self, scales: Sequence[int]) -> None:
        """Find out beforehand whether all can do all scales. Errors: HenshinError."""
        for scale in scales:
            for one in self.named:
                one.check(scale)

    def common_scales(self) -> list[int]:
        """Return the scales that all models have, without models the usual ones. Errors: HenshinError."""
        if self.pipelines:
            raise HenshinError(_WITHOUT_SCALE)
        if not self.models:
            return list(USUAL_SCALES)
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
def entered(asked: dict[str, Any], tell: Callable[[str], None]) -> Iterator[Comparison]:
    """Make what was named into methods, with a folder for the pictures that pipelines are given and give.

    Errors: HenshinError, MissingError for a name that is neither a model's nor a pipeline's.
    """
    from henshin.engine import RunOptions
    from henshin.evaluation import ByModel, ByPipeline
    from henshin.images import WriteOptions
    from henshin.models import ModelStore

    registry, store = registry_with(asked["plugin_files"]), ModelStore()
    once = _once(tell)
    networks = networks_of(asked, store, once)
    options = RunOptions(
        device=asked["device"],
        require_gpu=asked["require_gpu"],
        batch_size=asked["batch_size"],
        write=WriteOptions(format="PNG", metadata="strip"),
    )
    names = list(dict.fromkeys(asked["methods"]))
    models: dict[str, ByModel] = {}
    pipelines: dict[str, ByPipeline] = {}
    with tempfile.TemporaryDirectory(prefix="henshin-") as folder:
        for number, name in enumerate(names):
            if is_pipeline(name, store):
                place = Path(folder) / str(number)
                pipelines[name] = ByPipeline(name, asked["overrides"], place, options, store, registry, once)
            else:
                models[name] = ByModel(name, networks)
        if asked["overrides"] and not pipelines:
            raise click.UsageError("--set changes pipelines, and none is named", click.get_current_context())
        both: dict[str, ByModel | ByPipeline] = {**models, **pipelines}
        yield Comparison(list(models.values()), list(pipelines.values()), [both[name] for name in names])


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return what tells a text only once: every run of a pipeline would say it again."""
    before: set[str] = set()

    def once(text: str) -> None:
        if text not in before:
            before.add(text)
            tell(text)

    return once


def networks_of(asked: dict[str, Any], store: ModelStore, tell: Callable[[str], None]) -> Networks:
    """Return what opens models where they are asked to run. Errors: HenshinError."""
    from henshin.evaluation import Networks
    from henshin.runtime import resolve_device

    return Networks(store, resolve_device(asked["device"], asked["require_gpu"]), asked["batch_size"], tell)


def is_pipeline(name: str, store: ModelStore, kinds: Sequence[str] = ("translator",)) -> bool:
    """Tell a pipeline from a model; of a name that both have the model is meant.

    Errors: MissingError for neither, with the pipelines there are and the models of these ``kinds``.
    """
    from henshin.files import data_folder
    from henshin.models.requirements import fitting
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
    here = [one for kind in kinds for one in fitting(store, ModelOption(kind=kind))]
    families = [one.rpartition("-x")[0] for one in here if one.rpartition("-x")[2].isdigit()]
    there_are = f"; models: {listed(here) or 'none'}; pipelines: {listed(ready) or 'none'}"
    hint = did_you_mean(name, [*families, *here, *ready]) or there_are
    raise MissingError(f"no model or pipeline named '{name}'{hint}")


@contextmanager
def told(report: Lines, total: int) -> Iterator[Callable[[str, str | None], None]]:
    """Draw how far it is while the block runs; give what is to be called for each case."""
    from henshin.engine import Summary

    def ended(name: str, reason: str | None) -> None:
        report.done(name, "done" if reason is None else "failed", reason)

    report.started(total)
    try:
        yield ended
    finally:
        report.finished(Summary("", ""))


def check_page(path: Path, force: bool) -> None:
    """Errors: HenshinError for a sheet that cannot be written there, before anything is drawn."""
    from henshin.images import FORMATS, output_format

    if path.suffix.lower() not in FORMATS:
        raise HenshinError(f"'{path}': a sheet is a picture, such as sheet.png")
    try:
        output_format(None, path.suffix)
    except ValueError as error:
        raise HenshinError(f"'{path}': {error}") from None
    if path.exists() and not force:
        raise HenshinError(f"{path}: a file of this name is there already; give another name, or --force")


def save(sheet: Sheet, path: Path, level: int) -> None:
    """Write a sheet and say so. Errors: HenshinError."""
    if not sheet.strips:
        raise HenshinError("no picture could be drawn, so that there is no sheet")
    sheet.save(path)
    if level >= 0:
        say(f"{path}: {amount(len(sheet.strips), 'picture')}: {', '.join(sheet.headings)}")

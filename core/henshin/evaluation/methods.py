"""What turns a given picture into one that is held against its truth: a resampler, a model, a whole pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal, Protocol

from henshin.errors import HenshinError, MissingError, PictureError, TerminatedError

if TYPE_CHECKING:
    from henshin.engine import RunOptions, Summary
    from henshin.evaluation.datasets import EvaluationSample
    from henshin.images.picture import Picture
    from henshin.models import ModelStore
    from henshin.registry import Registry
    from henshin.runtime import Device, Model, OnnxSession

SCALE_MARK = "{scale}"
"""Stands for the scale in what ``--set`` says of a pipeline."""


class Method(Protocol):
    """``name`` is its line in the table, ``seconds`` the time it has been at work since the last ``begin``."""

    name: str
    seconds: float

    def begin(self, cases: Sequence[EvaluationSample], scale: int) -> None:
        """Prepare for the cases of one set and scale. Errors: HenshinError when it cannot do that scale at all."""

    def draw(self, case: EvaluationSample, given: Picture) -> Picture:
        """Return what it makes of one of them. Errors: PictureError."""


class Resampler:
    """Enlarges with a filter of Pillow, in 8 bits."""

    def __init__(self, name: Literal["lanczos", "bicubic", "nearest"]) -> None:
        self.name: str = name
        self.filter = name
        self.seconds = 0.0

    def begin(self, cases: Sequence[EvaluationSample], scale: int) -> None:  # noqa: ARG002
        """Set the clock to nothing."""
        self.seconds = 0.0

    def draw(self, case: EvaluationSample, given: Picture) -> Picture:
        """Enlarge one picture."""
        from henshin.images.resizing import resample

        start = perf_counter()
        drawn = resample(given, given.shape[0] * case.scale, given.shape[1] * case.scale, self.filter)
        self.seconds += perf_counter() - start
        return drawn


class Untouched:
    """The given picture as it is: what doing nothing is worth, or the results of another program."""

    name = "input"
    seconds = 0.0

    def begin(self, cases: Sequence[EvaluationSample], scale: int) -> None:
        """Do nothing."""

    def draw(self, case: EvaluationSample, given: Picture) -> Picture:  # noqa: ARG002
        """Return it."""
        return given


def baselines(scale: int) -> list[Method]:
    """Return what every method has to beat at a scale, in the order of the usual figure."""
    return [Resampler("lanczos"), Resampler("bicubic")] if scale > 1 else [Untouched()]


@dataclass
class Networks:
    """Opens each model once. ``tell`` is told what really runs it."""

    store: ModelStore
    device: Device
    batch_size: int | None = None
    tell: Callable[[str], None] = field(default=lambda _: None)
    _models: dict[str, Model] = field(default_factory=dict)
    _opened: dict[Path, OnnxSession] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """Open a model, a sampler's mapping with it. Errors: HenshinError, MissingError."""
        from henshin.runtime import Model

        if name not in self._models:
            found = self.store.find(name)
            mapping = None
            if found.mapping is not None:
                mapping = Model(found.mapping.contract, self._network(found.mapping.path))
            self._models[name] = Model(found.contract, self._network(found.path), self.batch_size, mapping=mapping)
        return self._models[name]

    def _network(self, path: Path) -> OnnxSession:
        from henshin.runtime import OnnxSession

        if path not in self._opened:
            if self.device.note and not self._opened:
                self.tell(self.device.note)
            network = self._opened[path] = OnnxSession(path, self.device)
            self.tell(f"{path.stem} runs on {network.providers[0]}")
        return self._opened[path]


class ByModel:
    """Translates with a model, the one of a multi-scale name that has exactly the scale."""

    def __init__(self, name: str, networks: Networks) -> None:
        self.name = name
        self.networks = networks
        self.seconds = 0.0
        self.scales = _scales(networks.store, name)

    def check(self, scale: int) -> None:
        """Errors: HenshinError when it does not enlarge by that scale, with those by which it does."""
        if scale in self.scales:
            return
        if set(self.scales) == {1}:
            raise HenshinError(f"model '{self.name}' keeps the size of pictures and cannot enlarge by {scale}")
        if scale == 1:
            raise HenshinError(f"model '{self.name}' enlarges, and the truths are no larger than the pictures")
        offered = ", ".join(str(one) for one in sorted(self.scales))
        raise HenshinError(f"model '{self.name}' does not enlarge by {scale}; it has: {offered}")

    def begin(self, cases: Sequence[EvaluationSample], scale: int) -> None:  # noqa: ARG002
        """Open the network."""
        self.check(scale)
        self.seconds = 0.0
        self.model = self.networks.model(self.scales[scale])

    def draw(self, case: EvaluationSample, given: Picture) -> Picture:  # noqa: ARG002
        """Translate one picture."""
        start = perf_counter()
        (drawn,) = self.model.translate([given])
        self.seconds += perf_counter() - start
        if isinstance(drawn, PictureError):
            raise drawn
        return drawn


def _scales(store: ModelStore, name: str) -> dict[int, str]:
    """Return the scales of a model with the full names. Errors: MissingError; HenshinError for one without pictures."""
    for found in [store.find(name)] if store.halves(name) else store.family(name):
        if found.contract.kind != "translator":
            raise HenshinError(found.contract.model_copy(update={"name": name}).not_translator_message)
    return store.scales(name)


class ByPipeline:
    """Sends files through a whole pipeline, as ``run-pipeline`` does, and reads what it has written.

    ``overrides`` are those of ``--set``; in them ``{scale}`` stands for the scale.
    """

    def __init__(
        self,
        name: str,
        overrides: Sequence[str],
        folder: Path,
        options: RunOptions,
        store: ModelStore,
        registry: Registry,
        tell: Callable[[str], None],
    ) -> None:
        self.name = name
        self.overrides = overrides
        self.folder = folder
        self.options = options
        self.store = store
        self.registry = registry
        self.tell = tell
        self.seconds = 0.0
        self._runs = 0
        self._drawn: dict[Path, Path | PictureError] = {}

    def check(self, scale: int) -> None:
        """Errors: HenshinError with everything that is wrong with the pipeline."""
        from henshin.pipeline import load

        overrides = [one.replace(SCALE_MARK, str(scale)) for one in self.overrides]
        self._pipeline = load(self.name, self.registry, self.store, overrides)
        if self._pipeline.source is not None:
            raise HenshinError(f"pipeline '{self.name}' makes its own pictures, and here it is to work on others")

    def own_scale(self) -> int | None:
        """How many times larger whole pictures come out, as the options of its stages say; None where --set says it.

        1 where no option says it. Errors: those of ``check``.
        """
        from henshin.config.options import ModelOption, option_markers

        if any(SCALE_MARK in one for one in self.overrides):
            return None
        self.check(1)
        configs = [stage.config for stage in self._pipeline.stages if stage.zone == "photos"]
        options = [
            (one, mark.scale) for one in configs for mark in option_markers(type(one), ModelOption) if mark.scale
        ]
        scales = [getattr(config, option, None) or 1 for config, option in options]
        whole = [int(scale) for scale in scales if scale == int(scale)]
        return max(whole, default=1)

    def begin(self, cases: Sequence[EvaluationSample], scale: int) -> None:
        """Write what is given, where it is no file already, and run the pipeline over all of it."""
        from henshin.engine import RunRequest, run

        self.check(scale)
        shutil.rmtree(self.folder / f"run-{self._runs}", ignore_errors=True)  # what was measured needs no room
        self._runs += 1
        place = self.folder / f"run-{self._runs}"
        files: dict[Path, Path] = {}
        self._drawn, self.seconds = {}, 0.0
        for case in cases:
            try:
                files[case.path] = case.file(place / "given")
            except PictureError as error:
                self._drawn[case.path] = error
        if not files:
            return
        inputs = list(files.values())
        request = RunRequest(self._pipeline, inputs, place / "drawn", self.options, self.store, self.registry)
        summary = run(request, _Notes(self.tell))
        _refuse_unfinished(summary)
        self.seconds = sum(summary.stages.values())
        self._collect(files, place / "drawn")

    def _collect(self, files: dict[Path, Path], folder: Path) -> None:
        """Find out from the record of the run what became of each file."""
        from henshin.engine.preparation.input_files import SourceFile
        from henshin.engine.record.manifest import Manifest

        record = Manifest(folder).load()
        for path, file in files.items():
            entry = record.last(SourceFile.at(file, file.name).key)
            if entry is None:
                self._drawn[path] = PictureError("the run says nothing of it")
            elif entry.status == "failed":
                self._drawn[path] = PictureError(f"{entry.stage}: {entry.reason}")
            elif entry.status == "skipped":
                self._drawn[path] = PictureError(f"left out by {entry.stage}: {entry.reason}")
            elif len(entry.outputs) != 1:
                made = f"made {len(entry.outputs)} pictures of it"
                self._drawn[path] = PictureError(f"the pipeline {made}, and one is wanted")
            else:
                self._drawn[path] = folder / entry.outputs[0].path

    def draw(self, case: EvaluationSample, given: Picture) -> Picture:  # noqa: ARG002
        """Read the result."""
        from henshin.images import read

        drawn = self._drawn[case.path]
        if isinstance(drawn, PictureError):
            raise drawn
        return read(drawn).picture


class _Notes:
    """Hands on what a run has to say of itself. Its failures are told with their cases."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    def started(self, total: int | None) -> None:
        """Say nothing."""

    def done(self, source: str, status: str, reason: str | None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Hand it on."""
        self.tell(text)

    def finished(self, summary: Summary) -> None:
        """Say nothing."""


def _refuse_unfinished(summary: Summary) -> None:
    if summary.interrupted:
        raise TerminatedError if summary.terminated else KeyboardInterrupt
    if summary.stopped:
        raise MissingError(f"pipeline '{summary.pipeline}' stopped: {summary.stopped}")

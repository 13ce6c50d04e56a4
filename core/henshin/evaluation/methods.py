"""The methods that an evaluation compares: resampling filters, models, whole pipelines."""

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
    from henshin.models import ModelStore, ResolvedModel
    from henshin.registry import Registry
    from henshin.runtime import Device, Model, Session

SCALE_MARK = "{scale}"
"""Placeholder for the scale in the overrides (``--set``) of a pipeline."""


class Method(Protocol):
    """A method. ``name`` is its name in the table, ``seconds`` its working time since the last ``begin``."""

    name: str
    seconds: float

    def begin(self, samples: Sequence[EvaluationSample], scale: int) -> None:
        """Prepare for the samples of one set and scale. Errors: HenshinError when it does not support that scale."""

    def apply(self, sample: EvaluationSample, source: Picture) -> Picture:
        """Return the result for one of these samples, whose input is ``source``. Errors: PictureError."""


class Resampler:
    """Enlargement with a filter of Pillow, in 8 bits."""

    def __init__(self, name: Literal["lanczos", "bicubic", "nearest"]) -> None:
        self.name: str = name
        self.filter = name
        self.seconds = 0.0

    def begin(self, samples: Sequence[EvaluationSample], scale: int) -> None:  # noqa: ARG002
        """Reset the working time."""
        self.seconds = 0.0

    def apply(self, sample: EvaluationSample, source: Picture) -> Picture:
        """Enlarge one picture."""
        from henshin.images.resizing import resample

        start = perf_counter()
        result = resample(source, source.shape[0] * sample.scale, source.shape[1] * sample.scale, self.filter)
        self.seconds += perf_counter() - start
        return result


class Identity:
    """The input as it is: the baseline at scale 1, or a measurement of the results of another program."""

    name = "input"
    seconds = 0.0

    def begin(self, samples: Sequence[EvaluationSample], scale: int) -> None:
        """Do nothing."""

    def apply(self, sample: EvaluationSample, source: Picture) -> Picture:  # noqa: ARG002
        """Return the input."""
        return source


def baselines(scale: int) -> list[Method]:
    """Return the baselines at a scale, in the usual order of papers."""
    return [Resampler("lanczos"), Resampler("bicubic")] if scale > 1 else [Identity()]


@dataclass
class Networks:
    """Opens each model once. ``report`` is called with the provider that really runs each network."""

    store: ModelStore
    device: Device
    batch_size: int | None = None
    report: Callable[[str], None] = field(default=lambda _: None)
    _models: dict[str, Model] = field(default_factory=dict)
    _opened: dict[Path, Session] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """Open a model, a sampler's mapping with it. Errors: HenshinError, MissingError."""
        from henshin.runtime import Model

        if name not in self._models:
            found = self.store.find(name)
            mapping = None
            if found.mapping is not None:
                mapping = Model(found.mapping.contract, self._network(found.mapping))
            self._models[name] = Model(found.contract, self._network(found), self.batch_size, mapping=mapping)
        return self._models[name]

    def _network(self, model: ResolvedModel) -> Session:
        from henshin.runtime import open_session

        path = model.path
        if path not in self._opened:
            if self.device.note and not self._opened:
                self.report(self.device.note)
            network = open_session(path, self.device, gives_pictures=model.contract.gives_pictures)
            self._opened[path] = network
            self.report(f"{path.stem} runs on {network.providers[0]}")
        return self._opened[path]


class ByModel:
    """Translation with a model; of a multi-scale model, the one with exactly the scale."""

    def __init__(self, name: str, networks: Networks) -> None:
        self.name = name
        self.networks = networks
        self.seconds = 0.0
        self.scales = _scales(networks.store, name)

    def check(self, scale: int) -> None:
        """Check that the model has a scale. Errors: HenshinError with the scales that it has."""
        if scale in self.scales:
            return
        if set(self.scales) == {1}:
            raise HenshinError(f"model '{self.name}' keeps the size of pictures and cannot enlarge by {scale}")
        if scale == 1:
            raise HenshinError(f"model '{self.name}' enlarges, and the truths are no larger than the pictures")
        offered = ", ".join(str(one) for one in sorted(self.scales))
        raise HenshinError(f"model '{self.name}' does not enlarge by {scale}; it has: {offered}")

    def begin(self, samples: Sequence[EvaluationSample], scale: int) -> None:  # noqa: ARG002
        """Open the network."""
        self.check(scale)
        self.seconds = 0.0
        self.model = self.networks.model(self.scales[scale])

    def apply(self, sample: EvaluationSample, source: Picture) -> Picture:  # noqa: ARG002
        """Translate one picture."""
        start = perf_counter()
        (result,) = self.model.translate([source])
        self.seconds += perf_counter() - start
        if isinstance(result, PictureError):
            raise result
        return result


def _scales(store: ModelStore, name: str) -> dict[int, str]:
    """Return the full names of a model by scale. Errors: MissingError; HenshinError for one that is no translator."""
    for found in [store.find(name)] if store.halves(name) else store.family(name):
        if found.contract.kind != "translator":
            raise HenshinError(found.contract.model_copy(update={"name": name}).not_translator_message)
    return store.scales(name)


class ByPipeline:
    """A whole pipeline, run over files as by ``henshin run``; its outputs are read back.

    ``overrides`` are those of ``--set``, in which ``{scale}`` is replaced by the scale.
    """

    def __init__(
        self,
        name: str,
        overrides: Sequence[str],
        folder: Path,
        options: RunOptions,
        store: ModelStore,
        registry: Registry,
        report: Callable[[str], None],
    ) -> None:
        self.name = name
        self.overrides = overrides
        self.folder = folder
        self.options = options
        self.store = store
        self.registry = registry
        self.report = report
        self.seconds = 0.0
        self._runs = 0
        self._results: dict[Path, Path | PictureError] = {}

    def check(self, scale: int) -> None:
        """Load the pipeline for a scale. Errors: HenshinError with all its problems."""
        from henshin.pipeline import load

        overrides = [one.replace(SCALE_MARK, str(scale)) for one in self.overrides]
        self._pipeline = load(self.name, self.registry, self.store, overrides)
        if self._pipeline.source is not None:
            raise HenshinError(f"pipeline '{self.name}' makes its own pictures, and here it is to work on others")

    def own_scale(self) -> int | None:
        """Return the scale that the stages' options ask for (1: none asks); None if `--set` contains {scale}.

        Errors: those of ``check``.
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

    def begin(self, samples: Sequence[EvaluationSample], scale: int) -> None:
        """Write the inputs that are not files yet, and run the pipeline over all of them."""
        from henshin.engine import RunRequest, run

        self.check(scale)
        shutil.rmtree(self.folder / f"run-{self._runs}", ignore_errors=True)  # not needed any more
        self._runs += 1
        run_folder = self.folder / f"run-{self._runs}"
        files: dict[Path, Path] = {}
        self._results, self.seconds = {}, 0.0
        for sample in samples:
            try:
                files[sample.path] = sample.file(run_folder / "given")
            except PictureError as error:
                self._results[sample.path] = error
        if not files:
            return
        inputs = list(files.values())
        request = RunRequest(self._pipeline, inputs, run_folder / "drawn", self.options, self.store, self.registry)
        summary = run(request, _NoteReporter(self.report))
        _check_finished(summary)
        self.seconds = sum(summary.stages.values())
        self._collect(files, run_folder / "drawn")

    def _collect(self, files: dict[Path, Path], folder: Path) -> None:
        """Read the output or the error of each file from the record of the run."""
        from henshin.engine.preparation.input_files import SourceFile
        from henshin.engine.record.manifest import Manifest

        record = Manifest(folder).load()
        for path, file in files.items():
            entry = record.last(SourceFile.at(file, file.name).key)
            if entry is None:
                self._results[path] = PictureError("the run says nothing of it")
            elif entry.status == "failed":
                self._results[path] = PictureError(f"{entry.stage}: {entry.reason}")
            elif entry.status == "skipped":
                self._results[path] = PictureError(f"left out by {entry.stage}: {entry.reason}")
            elif len(entry.outputs) != 1:
                count_text = f"made {len(entry.outputs)} pictures of it"
                self._results[path] = PictureError(f"the pipeline {count_text}, and one is wanted")
            else:
                self._results[path] = folder / entry.outputs[0].path

    def apply(self, sample: EvaluationSample, source: Picture) -> Picture:  # noqa: ARG002
        """Read the output."""
        from henshin.images import read

        result = self._results[sample.path]
        if isinstance(result, PictureError):
            raise result
        return read(result).picture


class _NoteReporter:
    """Passes on the notes of a run. Failures are reported with their samples."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report

    def started(self, total: int | None) -> None:
        """Do nothing."""

    def done(self, source: str, status: str, reason: str | None) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Pass it on."""
        self.report(text)

    def finished(self, summary: Summary) -> None:
        """Do nothing."""


def _check_finished(summary: Summary) -> None:
    if summary.interrupted:
        raise TerminatedError if summary.terminated else KeyboardInterrupt
    if summary.stopped:
        raise MissingError(f"pipeline '{summary.pipeline}' stopped: {summary.stopped}")

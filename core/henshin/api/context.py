"""The context with which a stage is opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from henshin.errors import MissingError
from henshin.files import is_file
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.frame import Frame, Zone
    from henshin.api.generator import GeneratorRegistry
    from henshin.models import Contract, ModelStore
    from henshin.models.store import ResolvedModel
    from henshin.runtime import Device, Model, Session


class ModelOnDemand:
    """A model that was found but is opened only at the first call, by whichever thread needs it first.

    ``contract`` is its contract, ``path`` its file.
    """

    def __init__(self, found: ResolvedModel, open_model: Callable[[], Model]) -> None:
        self.contract: Contract = found.contract
        self.path = found.path
        self._open_model = open_model
        self._model: Model | None = None
        self._lock = RLock()

    def __call__(self) -> Model:
        """Return the model, opened. Errors: those of ``Context.model``."""
        with self._lock:
            if self._model is None:
                self._model = self._open_model()
            return self._model


@dataclass(frozen=True, slots=True)
class BranchResult:
    """What became of one frame in a branch.

    ``frames`` are those that came out; if none did, ``stage`` is the one at which it ended, and ``reason`` says why.
    ``failed`` tells an error from a frame that was left out.
    """

    frames: list[Frame]
    stage: str = ""
    reason: str = ""
    failed: bool = False


class Branch(Protocol):
    """Stages that a stage runs by itself, opened."""

    def run(self, frames: Sequence[Frame]) -> list[BranchResult]:
        """Send copies of frames through the stages; return what became of each, in the same order.

        The frames themselves stay as they are. Errors: MissingError when a stage lacks a model or package.
        """

    def close(self) -> None:
        """Close the stages."""


@dataclass(slots=True)
class Context:
    """Device, batch size, cache folder, log and registry, and methods that open networks and stages.

    ``batch_size`` is None where the device decides, ``threads`` of each network 0 where the runtime does; ``at_once``
    pictures go through the stage that is opened. ``on_demand`` are models that are opened only when they are needed.
    Model paths in a pipeline's file are relative to ``base``, its folder.
    """

    device: Device
    batch_size: int | None
    cache_folder: Path
    log: logging.Logger
    registry: GeneratorRegistry
    store: ModelStore
    base: Path
    opened: dict[Path, Session] = field(default_factory=dict)
    on_demand: list[ModelOnDemand] = field(default_factory=list)
    threads: int = 0
    at_once: int = 1
    make_branch: Callable[[Sequence[Any], Zone, Context], Branch] | None = None
    _lock: RLock = field(default_factory=RLock)

    @property
    def cache(self) -> Path:
        """Folder for results that are costly to compute, created at the first access. Errors: MissingError."""
        try:
            self.cache_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MissingError(f"the cache folder {self.cache_folder} cannot be made: {one_line(error)}") from error
        return self.cache_folder

    def model(self, name: str, scale: float | None = None, tile: int | None = None) -> Model:
        """Open an exported model by its name or path; of a multi-scale one the smallest that reaches ``scale``.

        If there is no model NAME but NAME-mapping and NAME-synthesis, both are opened together, as a sampler. Pictures
        of more than ``tile`` x ``tile`` pixels are translated in tiles; None leaves the size to the device.
        Errors: MissingError with what would be right.
        """
        return self._model(self.store.find(name, self.base, scale), tile, self.threads, self.at_once)

    def model_on_demand(self, name: str, scale: float | None = None, tile: int | None = None) -> ModelOnDemand:
        """Find a model as ``model`` does, and open it when it is first called: for one that few pictures need.

        Errors: those of finding it. The first call may raise those of opening it.
        """
        found = self.store.find(name, self.base, scale)
        model = ModelOnDemand(found, partial(self._model, found, tile, self.threads, self.at_once))
        self.on_demand.append(model)
        return model

    def _model(self, found: ResolvedModel, tile: int | None, threads: int, at_once: int) -> Model:
        from henshin.runtime import Model

        mapping = None
        if found.mapping is not None:
            mapping = Model(found.mapping.contract, self._open(found.mapping.path, False, threads, at_once))
        network = self._open(found.path, found.contract.gives_pictures, threads, at_once)
        return Model(found.contract, network, self.batch_size, tile, mapping)

    def branch(self, stages: Sequence[Any], zone: Zone) -> Branch:
        """Open one list of a stage's ``branches``, each a Stage; ``zone`` says whether its pictures are crops already.

        Errors: HenshinError that names the stage that does not open; RuntimeError outside of a run.
        """
        if self.make_branch is None:
            raise RuntimeError("stages within a stage are opened by the engine, in a run")
        return self.make_branch(stages, zone, self)

    def network(self, path: Path | str) -> Session:
        """Open any ONNX file, with or without our metadata; dict of arrays in, dict of arrays out. Opened once.

        It is computed in fp32, whatever the precision of the device. ``path`` is relative to the pipeline's file or, if
        there is no such file, to the working folder.
        """
        in_base = self.base / path
        return self._open(in_base if is_file(in_base) else Path(path), False, self.threads, self.at_once)

    def _open(self, path: Path, gives_pictures: bool, threads: int, at_once: int) -> Session:
        from henshin.runtime import open_session

        with self._lock:
            if path not in self.opened:
                self.opened[path] = open_session(
                    path, self.device, gives_pictures=gives_pictures, threads=threads, at_once=at_once
                )
            return self.opened[path]

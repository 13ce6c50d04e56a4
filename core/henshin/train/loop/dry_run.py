"""What a run would do, said without touching anything: its options, networks, pictures, length, place and memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from henshin.api.recipe import NetworkChoice, Run
from henshin.api.training_data import FolderData, PictureData
from henshin.errors import HenshinError
from henshin.models.trained_weights import CHECKPOINTS, list_checkpoints
from henshin.registry import Registry
from henshin.train.config.run_config import RunPlan, TrainOptions
from henshin.train.data.folders import folder_sets, list_pictures, resolve_folders, split_files
from henshin.train.devices.fabric import make_fabric, precision_of
from henshin.train.loggers.logger import format_duration
from henshin.train.loop.launch import resolve_resume_options
from henshin.train.networks import EMA, make_generator

CACHE = "HENSHIN_CACHE"
STAND_INS = 4
_MIB = 2**20


class EnoughError(Exception):
    """A recipe has said what it tracks: the rest would be training."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The pictures behind one folder option; `side` is None where they keep their own sizes."""

    option: str
    places: list[Path]
    training: int
    held: int
    side: int | None

    @property
    def bytes(self) -> int:
        """What these take in memory, if they are about square; 0 where that is not known unread."""
        return (self.training + self.held) * 3 * (self.side or 0) ** 2


@dataclass
class DryRun:
    """The `Run` of a recipe that is called up to its `track`, with a few stand-ins for its pictures.

    Only so can it be known which networks a recipe makes beside its generators. `lengths` are what `until` was told.
    """

    registry: Registry
    folder: Path
    pictures: Path
    side: int
    base: Path = Path()
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    steps: int = 0
    tracked: dict[str, Any] = field(default_factory=dict)
    lengths: tuple[int, int | None] | None = None

    def say(self, line: str, /) -> None:
        """Keep silent: what is said would be about the stand-ins."""

    def folders(self, value: str | Sequence[str]) -> list[Path]:  # noqa: ARG002
        """A folder of noise in place of any other."""
        return [self.pictures]

    def place(self, value: str) -> Path:
        """The path that a run gives."""
        return self.base / Path(value).expanduser()

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build a network, as a run does."""
        if isinstance(choice, str):
            choice = NetworkChoice(use=choice, **(options or {}))
        return make_generator(self.registry, choice.use, choice.options).build()

    def prepare(self, *things: Any, compiled: bool | None = None) -> Any:  # noqa: ARG002
        """Leave things as they are."""
        for thing in things:
            if isinstance(thing, nn.Module) and not hasattr(thing, "mark_forward_method"):
                thing.mark_forward_method = lambda _: None  # type: ignore[assignment]
        return things[0] if len(things) == 1 else things

    def publish(self, *what: Any, **more: Any) -> None:
        """Nothing will be published."""

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Remember how long the run would be with the stand-ins."""
        self.lengths = steps, epoch

    def track(self, **state: Any) -> None:
        """Remember the networks, and end the rehearsal."""
        self.tracked = state
        raise EnoughError

    def backward(self, loss: Tensor) -> None:
        """For recipes that learn before they track."""
        loss.backward()  # type: ignore[no-untyped-call]


def dry_run_report(plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions) -> Iterator[str]:
    """The lines of `--dry-run`. Errors: HenshinError for what would also end the run itself at its start."""
    options = resolve_resume_options(plan, folder, options)
    fabric = make_fabric(options.device, options.precision, options.devices)
    found = list(folders_of(plan))
    rehearsal = rehearsed(plan, registry)
    yield f"recipe: {plan.recipe.name}"
    text = yaml.safe_dump(plan.recipe.config.model_dump(mode="json"), sort_keys=False, default_flow_style=False)
    yield from (f"  {line}" for line in text.splitlines())
    yield "networks:"
    yield from (f"  {line}" for line in networks_of(plan, registry, rehearsal))
    if found:
        yield "pictures:"
        for one in found:
            places = ", ".join(str(place) for place in one.places)
            size = f"{one.side} px" if one.side else "at full size"
            yield f"  {one.option}: {one.training} to train on, {one.held} held out, {size}, in {places}"
        if any(one.side for one in found):
            yield f"memory: about {max(sum(one.bytes for one in found) / _MIB, 1):.0f} MiB for the pictures"
    yield from _length(plan, found, rehearsal, options)
    where = f"{fabric.device.type}" + (f", {options.devices} processes" if options.devices > 1 else "")
    yield f"device: {where}, in {precision_of(fabric)}"
    last = list_checkpoints(folder / CHECKPOINTS)[-1:]
    state = f"goes on from step {int(last[0].name)}" if last else "starts anew"
    yield f"folder: {folder}, {state}"


def folders_of(plan: RunPlan) -> Iterator[Folder]:
    """The pictures behind every folder option of a plan, counted by their names. Errors: HenshinError."""
    data = getattr(plan.recipe.config, "data", None)
    if not isinstance(data, FolderData):
        return
    for option, value in data.folder_options().items():
        places = resolve_folders(value, plan.path.parent)
        training, held = 0, 0
        for some in folder_sets(places, data.separate_sets):
            one, other = split_files(list_pictures(some), data.hold_out)
            if not one:
                where = ", ".join(map(str, some))
                told = f"{len(other)} pictures, {data.hold_out} of them held out: none to train on"
                raise HenshinError(f"{where}: {told}")
            training, held = training + len(one), held + len(other)
        side = data.side if isinstance(data, PictureData) else None
        yield Folder(f"data.{option}", places, training, held, side)


def rehearsed(plan: RunPlan, registry: Registry) -> DryRun | None:
    """Call a recipe up to its `track` with a few pictures of noise; None for one that cannot be called so."""
    config = plan.recipe.config
    data = getattr(config, "data", None)
    if isinstance(data, FolderData):
        config = config.model_copy(update={"data": data.model_copy(update={"hold_out": 1})})
    side = data.side if isinstance(data, FolderData) else 64
    with tempfile.TemporaryDirectory() as place:
        rehearsal = DryRun(registry, Path(place) / "run", Path(place) / "pictures", side, plan.path.parent)
        _stand_ins(rehearsal.pictures, side)
        rehearsal.folder.mkdir()
        try:
            with _cache_at(Path(place) / "cache"):
                type(plan.recipe)(config).train(cast(Run, rehearsal))
        except EnoughError:
            return rehearsal
        except Exception:  # a recipe that wants more of its pictures: then its other networks stay unknown
            return None
    return None


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Within: what is decoded is not kept."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before


def _stand_ins(folder: Path, side: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(STAND_INS + 1):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{i}.png")


def networks_of(plan: RunPlan, registry: Registry, rehearsal: DryRun | None) -> Iterator[str]:
    """Every network with its number of parameters; only the generators where the recipe could not be rehearsed.

    An average without decay is the network itself, and is not counted again.
    """
    if rehearsal is not None:
        for name, thing in rehearsal.tracked.items():
            if isinstance(thing, nn.Module) and not (isinstance(thing, EMA) and not thing.decay):
                yield f"{name}: {_parameters(thing)}"
        return
    for name in type(plan.recipe.config).model_fields:
        choice = getattr(plan.recipe.config, name)
        if isinstance(choice, NetworkChoice):
            network = make_generator(registry, choice.use, choice.options).build()
            yield f"{name}: {choice.use}, {_parameters(network)}"


def _parameters(network: nn.Module) -> str:
    number = sum(parameter.numel() for parameter in network.parameters())
    return f"{number / 1e6:.3f} M parameters" if number >= 1e5 else f"{number} parameters"


def _length(plan: RunPlan, found: Sequence[Folder], rehearsal: DryRun | None, options: TrainOptions) -> Iterator[str]:
    """How long the run is: by its plan, and by the limits of the command line."""
    config = plan.recipe.config
    parts = []
    if hasattr(config, "length") and hasattr(config, "epoch") and found:
        pictures = max(one.training for one in found)
        ahead = 0  # what a recipe does before its epochs
        if rehearsal is not None and rehearsal.lengths is not None:
            ahead = max(rehearsal.lengths[0] - config.length(STAND_INS), 0)
        parts.append(f"{config.length(pictures) + ahead} steps, {config.epoch(pictures)} to an epoch")
    elif rehearsal is not None and rehearsal.lengths is not None:
        parts.append(f"{rehearsal.lengths[0]} steps")
    if options.max_steps is not None:
        parts.append(f"stops at step {options.max_steps}")
    if options.max_time is not None:
        parts.append(f"stops after {format_duration(options.max_time)}")
    yield f"length: {', '.join(parts) or 'until it is stopped'}"

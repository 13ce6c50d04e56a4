"""Report of a dry run: options, networks, pictures, length, device and folder of a run that is not started."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from torch import nn

from henshin.api.recipe import NetworkChoice
from henshin.api.training_data import FolderData, PictureData
from henshin.errors import HenshinError
from henshin.models.trained_weights import CHECKPOINTS, list_checkpoints
from henshin.registry import Registry
from henshin.train.config.run_config import RunPlan, TrainOptions
from henshin.train.data.folders import folder_sets, list_pictures, resolve_folders, split_files
from henshin.train.devices.compile import PrecisionModule
from henshin.train.devices.fabric import make_fabric, precision_of
from henshin.train.loggers.logger import format_duration
from henshin.train.loop.launch import resolve_resume_options
from henshin.train.loop.run import TrainingRun
from henshin.train.networks import EMA, make_generator

CACHE = "HENSHIN_CACHE"
NOISE_PICTURES = 4
"""Pictures of noise that the recipe of a dry run trains on; one more is held out."""

_MIB = 2**20


class SetupDoneError(Exception):
    """Raised by ``DryRun.track``, with which a recipe's setup ends and its training begins."""


@dataclass(frozen=True, slots=True)
class FolderSummary:
    """Pictures of one folder option, counted by their names; `side` is None where they keep their own sizes."""

    option: str
    folders: list[Path]
    training: int
    held_out: int
    side: int | None

    @property
    def bytes(self) -> int:
        """Memory for these pictures if they are square; 0 where their sizes are known only after reading them."""
        return (self.training + self.held_out) * 3 * (self.side or 0) ** 2


class DryRun(TrainingRun):
    """A run on the CPU and on pictures of noise that ends at the recipe's ``track``, to learn its networks and length.

    Only the setup of a recipe tells which networks it makes besides its generators.
    """

    def __init__(self, plan: RunPlan, registry: Registry, folder: Path, pictures: Path) -> None:
        options = TrainOptions(compile=False)
        fabric = make_fabric("cpu", "fp32")
        super().__init__(folder, plan.path.parent, plan.description, 0, registry, options, fabric, lambda _: None)
        self.pictures = pictures
        self.networks: dict[str, nn.Module] = {}

    def folders(self, value: str | Sequence[str]) -> list[Path]:  # noqa: ARG002
        """Return the folder of noise in place of any other."""
        return [self.pictures]

    def track(self, **state: Any) -> None:
        """Keep the networks, and end the recipe. Errors: SetupDoneError, always."""
        modules = {name: thing.module if isinstance(thing, PrecisionModule) else thing for name, thing in state.items()}
        self.networks = {name: module for name, module in modules.items() if isinstance(module, nn.Module)}
        raise SetupDoneError


def dry_run_report(plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions) -> Iterator[str]:
    """Yield the lines of `--dry-run`. Errors: HenshinError for what would also end the run itself at its start."""
    options = resolve_resume_options(plan, folder, options)
    fabric = make_fabric(options.device, options.precision, options.devices)
    data = list(summarize_folders(plan))
    setup = run_setup(plan, registry)
    dry_run = setup if isinstance(setup, DryRun) else None
    yield f"recipe: {plan.recipe.name}"
    text = yaml.safe_dump(plan.recipe.config.model_dump(mode="json"), sort_keys=False, default_flow_style=False)
    yield from (f"  {line}" for line in text.splitlines())
    yield "networks:"
    yield from (f"  {line}" for line in _network_lines(plan, registry, dry_run))
    if isinstance(setup, str):
        yield f"  others unknown: the setup failed on pictures of noise: {setup}"
    yield from _data_lines(data)
    yield _length_line(plan, data, dry_run, options)
    device = f"{fabric.device.type}" + (f", {options.devices} processes" if options.devices > 1 else "")
    yield f"device: {device}, in {precision_of(fabric)}"
    last = list_checkpoints(folder / CHECKPOINTS)[-1:]
    state = f"goes on from step {int(last[0].name)}" if last else "starts anew"
    yield f"folder: {folder}, {state}"


def summarize_folders(plan: RunPlan) -> Iterator[FolderSummary]:
    """Yield the pictures of every folder option of a plan, counted by their names. Errors: HenshinError."""
    data = getattr(plan.recipe.config, "data", None)
    if not isinstance(data, FolderData):
        return
    for option, value in data.folder_options().items():
        folders = resolve_folders(value, plan.path.parent)
        training, held_out = 0, 0
        for one_set in folder_sets(folders, data.separate_sets):
            train_files, other_files = split_files(list_pictures(one_set), data.hold_out)
            if not train_files:
                where = ", ".join(map(str, one_set))
                problem = f"{len(other_files)} pictures, {data.hold_out} of them held out: none to train on"
                raise HenshinError(f"{where}: {problem}")
            training, held_out = training + len(train_files), held_out + len(other_files)
        side = data.side if isinstance(data, PictureData) else None
        yield FolderSummary(f"data.{option}", folders, training, held_out, side)


def run_setup(plan: RunPlan, registry: Registry) -> DryRun | str:
    """Call a recipe up to its `track` with a few pictures of noise; return why that failed where it does."""
    config = plan.recipe.config
    data = getattr(config, "data", None)
    if isinstance(data, FolderData):
        config = config.model_copy(update={"data": data.model_copy(update={"hold_out": 1})})
    side = data.side if isinstance(data, FolderData) else 64
    with tempfile.TemporaryDirectory() as place:
        folder, pictures = Path(place) / "run", Path(place) / "pictures"
        _write_noise(pictures, side)
        folder.mkdir()
        dry_run = DryRun(plan, registry, folder, pictures)
        try:
            with _cache_at(Path(place) / "cache"):
                type(plan.recipe)(config).train(dry_run)
        except SetupDoneError:
            return dry_run
        # it may be the pictures' fault, of which a recipe may need more: so this is told, and ends nothing
        except HenshinError as error:
            return str(error)
        except Exception as error:
            return f"{type(error).__name__}: {error}".partition("\n")[0]
    return "it tracks nothing"


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Set the cache of decoded pictures to a folder that is removed afterwards, within this context."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before


def _write_noise(folder: Path, side: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(NOISE_PICTURES + 1):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{i}.png")


def _network_lines(plan: RunPlan, registry: Registry, dry_run: DryRun | None) -> Iterator[str]:
    """Yield every network with its number of parameters; only the generators without a `dry_run`.

    An EMA without decay is the network itself, and is not counted again.
    """
    if dry_run is not None:
        for name, network in dry_run.networks.items():
            if not (isinstance(network, EMA) and not network.decay):
                yield f"{name}: {_parameters(network)}"
        return
    for name in type(plan.recipe.config).model_fields:
        choice = getattr(plan.recipe.config, name)
        if isinstance(choice, NetworkChoice):
            network = make_generator(registry, choice.use, choice.options).build()
            yield f"{name}: {choice.use}, {_parameters(network)}"


def _parameters(network: nn.Module) -> str:
    number = sum(parameter.numel() for parameter in network.parameters())
    return f"{number / 1e6:.3f} M parameters" if number >= 1e5 else f"{number} parameters"


def _data_lines(data: Sequence[FolderSummary]) -> Iterator[str]:
    if data:
        yield "pictures:"
    for one in data:
        folders = ", ".join(map(str, one.folders))
        size = f"{one.side} px" if one.side else "at full size"
        yield f"  {one.option}: {one.training} to train on, {one.held_out} held out, {size}, in {folders}"
    if any(one.side for one in data):
        yield f"memory: about {max(sum(one.bytes for one in data) / _MIB, 1):.0f} MiB for the pictures"


def _length_line(plan: RunPlan, data: Sequence[FolderSummary], dry_run: DryRun | None, options: TrainOptions) -> str:
    """Return the length of the run, by its plan and by the limits of the command line."""
    config = plan.recipe.config
    steps = None if dry_run is None else dry_run.stop_condition.planned_steps
    parts = []
    if hasattr(config, "length") and hasattr(config, "epoch") and data:
        pictures = max(one.training for one in data)
        # some recipes train for a while before their epochs
        warm_up = 0 if steps is None else max(steps - config.length(NOISE_PICTURES), 0)
        parts.append(f"{config.length(pictures) + warm_up} steps, {config.epoch(pictures)} to an epoch")
    elif steps is not None:
        parts.append(f"{steps} steps")
    if options.max_steps is not None:
        parts.append(f"stops at step {options.max_steps}")
    if options.max_time is not None:
        parts.append(f"stops after {format_duration(options.max_time)}")
    return f"length: {', '.join(parts) or 'until it is stopped'}"

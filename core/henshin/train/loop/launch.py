"""`henshin train`: from a checked plan to a trained run, in this process or in one for each device."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from henshin.errors import HenshinError, MissingError
from henshin.models.trained_weights import CHECKPOINTS, RUN_FILE, list_checkpoints
from henshin.registry import Registry, build_registry
from henshin.text import join_names
from henshin.train.config.run_config import RunPlan, TrainOptions, load_run
from henshin.train.devices.fabric import make_fabric
from henshin.train.loggers.logger import Progress
from henshin.train.loop.run import TrainingRun
from henshin.train.loop.stopping import handed_on
from henshin.train.weights import run_folder
from henshin.train.weights.run_folder import check_recipe, earlier

Show = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TrainingReporter:
    """How a run is told: by lines, and by a bar where there is one; `close` when it has ended."""

    say: Callable[[str], None]
    show: Show | None = None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    steps: int
    interrupted: bool


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """What each of several processes is told: enough to read the plan again."""

    path: Path
    folder: Path
    options: TrainOptions
    voice: Callable[[], TrainingReporter]
    errors: Path


def default_folder(plan: RunPlan) -> Path:
    """Where a run goes when nobody says: `runs/NAME`, after its YAML."""
    return Path("runs") / plan.path.stem


def resolve_resume_options(plan: RunPlan, folder: Path, options: TrainOptions) -> TrainOptions:
    """Check that a run may be made in a folder, and take from the run that is there what must stay as it was.

    Errors: HenshinError when the folder holds a run and it was not said to resume, another run, or other things; when
    there is no run to resume.
    """
    if list_checkpoints(folder / CHECKPOINTS) and not options.resume:
        raise HenshinError(f"{folder}: holds a run already; go on with it by --resume, or choose another -o")
    if folder.exists() and not folder.is_dir():
        raise HenshinError(f"{folder}: is a file; -o names a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: holds other files and no run; choose another -o")
    if options.resume and not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: no run to go on from{_beside(folder)}")
    if options.resume:
        check_recipe(folder, plan.recipe.name)
        if options.precision == "auto":
            options = replace(options, precision=earlier(folder).get("precision", "auto"))
    return options


def _beside(folder: Path) -> str:
    """The runs that lie beside a folder, for one whose name was misspelt."""
    runs = [str(file.parent) for file in folder.parent.glob(f"*/{RUN_FILE}")]
    return f"; there are: {join_names(runs)}" if runs else ""


def train(
    plan: RunPlan,
    folder: Path,
    registry: Registry,
    options: TrainOptions,
    say: Callable[[str], None],
    show: Show | None = None,
) -> TrainingRun:
    """Train in this process, or go on with `options.resume`, in `folder`; return the run when it has ended.

    `show` is given the progress of every step, for a bar; without it lines of progress are said.
    Errors: HenshinError when the folder holds a run and it was not said to resume, and whatever is wrong with data.
    """
    options = resolve_resume_options(plan, folder, options)
    return _train(
        make_fabric(options.device, options.precision), plan, folder, registry, options, TrainingReporter(say, show)
    )


def train_on_many(
    plan: RunPlan, folder: Path, options: TrainOptions, voice: Callable[[], TrainingReporter]
) -> RunResult:
    """Train on `options.devices` devices, in a process each; every one of them reads the plan again.

    `voice` makes, in the first process, what the run speaks with; it must be a function that can be imported.
    Errors: as `train`; what went wrong in a process is raised here.
    """
    options = resolve_resume_options(plan, folder, options)
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # what went wrong is told below
    fabric = make_fabric(options.device, options.precision, options.devices)
    with tempfile.TemporaryDirectory() as place, handed_on():
        order = WorkerJob(plan.path, folder, options, voice, Path(place))
        try:
            # as a function with its argument, for Fabric would look for tensors within a plain one
            steps, interrupted = fabric.launch(partial(_take_part, order))
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise _reason(Path(place), error) from error
    return RunResult(steps, interrupted)


def _take_part(order: WorkerJob, fabric: Fabric) -> tuple[int, bool]:
    """What each process does: (steps done, was it interrupted)."""
    voice = order.voice() if fabric.global_rank == 0 else TrainingReporter(lambda _: None)
    try:
        registry = build_registry(order.options.plugins)
        plan = load_run(order.path, registry, order.options.overrides)
        run = _train(fabric, plan, order.folder, registry, order.options, voice)
    except HenshinError as error:
        told = json.dumps({"missing": isinstance(error, MissingError), "text": str(error)})
        (order.errors / str(fabric.global_rank)).write_text(told)
        raise
    finally:
        voice.close()
    return run.steps, run.interrupted


def _reason(place: Path, error: Exception) -> Exception:
    """The first process that gave a reason which a user can act on; else what PyTorch has to say."""
    for file in sorted(place.iterdir()):
        reason: dict[str, Any] = json.loads(file.read_text())
        return (MissingError if reason["missing"] else HenshinError)(reason["text"])
    return error


def _train(
    fabric: Fabric, plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions, voice: TrainingReporter
) -> TrainingRun:
    if fabric.global_rank == 0:
        run_folder.begin(folder, plan.description, plan.path.parent)
    run = TrainingRun(
        folder,
        plan.path.parent,
        plan.description,
        plan.recipe.config.seed,
        registry,
        options,
        fabric,
        voice.say,
        voice.show,
    )
    try:
        with run.ending.interruptible(child=fabric.world_size > 1):
            plan.recipe.train(run)
            run.finish()
    finally:
        run.watch.close()
    run.say(_told(run, folder))
    return run


def _told(run: TrainingRun, folder: Path) -> str:
    """How a run ended, and what to do next: go on with it where its plan is not done, else make a model of it."""
    why = run.ending.why(run.steps)
    if not why:
        return f"done: {run.steps} steps; " + (f"henshin export {folder} --name NAME" if run.publishes else str(folder))
    of = "" if run.ending.plan is None else f" of {run.ending.plan}"
    stopped = "interrupted" if run.interrupted else "stopped"
    reason = "" if run.interrupted else f" ({why})"
    return f"{stopped} at step {run.steps}{of}{reason}; go on with --resume -o {folder}"

"""Launch of a training run, in this process or in one for each device."""

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
from henshin.train.loop.stopping import forward_signals
from henshin.train.weights import run_folder
from henshin.train.weights.run_folder import check_recipe, earlier_description

ShowProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TrainingReporter:
    """Output of a run: `say` prints a line, `show` updates a progress bar if there is one, `close` ends the bar."""

    say: Callable[[str], None]
    show: ShowProgress | None = None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class RunResult:
    """Result of a run: its completed steps, and whether it was interrupted."""

    steps: int
    interrupted: bool


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """Arguments of each of several processes, with which it reads the plan again.

    Each process writes its error into the folder `errors`, in a file named after its rank.
    """

    path: Path
    folder: Path
    options: TrainOptions
    make_reporter: Callable[[], TrainingReporter]
    errors: Path


def default_folder(plan: RunPlan) -> Path:
    """Return the folder of a run without `-o`: `runs/NAME`, after its YAML."""
    return Path("runs") / plan.path.stem


def resolve_resume_options(plan: RunPlan, folder: Path, options: TrainOptions) -> TrainOptions:
    """Check that a run may be started in a folder; return the options with the precision of the run to be resumed.

    Errors: HenshinError when the folder holds a run and `resume` is not set, a run of another recipe, or other files;
    when there is no run to resume.
    """
    if list_checkpoints(folder / CHECKPOINTS) and not options.resume:
        raise HenshinError(f"{folder}: holds a run already; go on with it by --resume, or choose another -o")
    if folder.exists() and not folder.is_dir():
        raise HenshinError(f"{folder}: is a file; -o names a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: holds other files and no run; choose another -o")
    if options.resume and not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: no run to go on from{_nearby_runs(folder)}")
    if options.resume:
        check_recipe(folder, plan.recipe.name)
        if options.precision == "auto":
            options = replace(options, precision=earlier_description(folder).get("precision", "auto"))
    return options


def _nearby_runs(folder: Path) -> str:
    """Return a hint that lists the runs next to a folder, for a misspelt name; "" without any."""
    runs = [str(file.parent) for file in folder.parent.glob(f"*/{RUN_FILE}")]
    return f"; there are: {join_names(runs)}" if runs else ""


def train(
    plan: RunPlan,
    folder: Path,
    registry: Registry,
    options: TrainOptions,
    say: Callable[[str], None],
    show: ShowProgress | None = None,
) -> TrainingRun:
    """Train in this process, in `folder`, or resume with `options.resume`; return the run when it has ended.

    `show` is called with the progress of every step, for a bar; without it `say` prints lines of progress.
    Errors: those of `resolve_resume_options`; HenshinError for wrong data.
    """
    options = resolve_resume_options(plan, folder, options)
    return _train(
        make_fabric(options.device, options.precision), plan, folder, registry, options, TrainingReporter(say, show)
    )


def train_on_many(
    plan: RunPlan, folder: Path, options: TrainOptions, make_reporter: Callable[[], TrainingReporter]
) -> RunResult:
    """Train on `options.devices` devices, in a process each; every one of them reads the plan again.

    `make_reporter` is called in the first process; it must be a function that can be imported.
    Errors: those of `train`, in any of the processes.
    """
    options = resolve_resume_options(plan, folder, options)
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # the error is raised below
    fabric = make_fabric(options.device, options.precision, options.devices)
    with tempfile.TemporaryDirectory() as place, forward_signals():
        job = WorkerJob(plan.path, folder, options, make_reporter, Path(place))
        try:
            # as a function with its argument, for Fabric would look for tensors within a plain one
            steps, interrupted = fabric.launch(partial(_run_worker, job))
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise _worker_error(Path(place), error) from error
    return RunResult(steps, interrupted)


def _run_worker(job: WorkerJob, fabric: Fabric) -> tuple[int, bool]:
    """Train in one of several processes; return (completed steps, whether it was interrupted)."""
    reporter = job.make_reporter() if fabric.global_rank == 0 else TrainingReporter(lambda _: None)
    try:
        registry = build_registry(job.options.plugins)
        plan = load_run(job.path, registry, job.options.overrides)
        run = _train(fabric, plan, job.folder, registry, job.options, reporter)
    except HenshinError as error:
        problem = json.dumps({"missing": isinstance(error, MissingError), "text": str(error)})
        (job.errors / str(fabric.global_rank)).write_text(problem)
        raise
    finally:
        reporter.close()
    return run.steps, run.interrupted


def _worker_error(place: Path, error: Exception) -> Exception:
    """Return the error of the first process that wrote one for the user; else that of PyTorch."""
    for file in sorted(place.iterdir()):
        problem: dict[str, Any] = json.loads(file.read_text())
        return (MissingError if problem["missing"] else HenshinError)(problem["text"])
    return error


def _train(
    fabric: Fabric, plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions, reporter: TrainingReporter
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
        reporter.say,
        reporter.show,
    )
    try:
        with run.stop_condition.interruptible(child=fabric.world_size > 1):
            plan.recipe.train(run)
            run.finish()
    finally:
        run.logger.close()
    run.say(_closing_line(run, folder))
    return run


def _closing_line(run: TrainingRun, folder: Path) -> str:
    """Return the last line of a run: its end, and the command that resumes it, or exports it when its plan is done."""
    end = run.stop_condition.reason(run.steps)
    if not end:
        return f"done: {run.steps} steps; " + (f"henshin export {folder} --name NAME" if run.publishes else str(folder))
    of = "" if run.stop_condition.planned_steps is None else f" of {run.stop_condition.planned_steps}"
    stopped = "interrupted" if run.interrupted else "stopped"
    reason = "" if run.interrupted else f" ({end})"
    return f"{stopped} at step {run.steps}{of}{reason}; go on with --resume -o {folder}"

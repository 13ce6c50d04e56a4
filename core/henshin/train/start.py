"""`henshin train`: from a checked plan to a trained run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from henshin.errors import HenshinError
from henshin.registry import Registry
from henshin.train import checkpoint
from henshin.train.config import RunPlan
from henshin.train.publish import RUN_FILE, described_run
from henshin.train.run import RunOptions, TrainingRun


def default_folder(plan: RunPlan) -> Path:
    """Where a run goes when nobody says: `runs/NAME`, after its YAML."""
    return Path("runs") / plan.path.stem


def train(
    plan: RunPlan, folder: Path, registry: Registry, options: RunOptions, say: Callable[[str], None]
) -> TrainingRun:
    """Train, or go on with `options.resume`, in `folder`; return the run when it has ended.

    Errors: HenshinError when the folder holds a run and it was not said to resume, and whatever is wrong with data.
    """
    if checkpoint.found(folder / "checkpoints") and not options.resume:
        raise HenshinError(f"{folder}: holds a run already; go on with it by --resume, or choose another -o")
    described = folder / RUN_FILE
    if folder.is_dir() and any(folder.iterdir()) and not described.is_file():
        raise HenshinError(f"{folder}: holds other files and no run; choose another -o")
    if options.resume and options.precision == "auto" and described.is_file():
        options = replace(options, precision=described_run(described).get("precision", "auto"))
    folder.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(folder, plan.path.parent, plan.description, plan.recipe.config.seed, registry, options, say)
    with run.interruptible():
        plan.recipe.train(run)
        run.finish()
    if run.interrupted:
        say(f"interrupted at step {run.steps}; go on with --resume -o {folder}")
    else:
        say(f"stopped at step {run.steps}; {folder}")
    return run

"""`henshin train`: from a checked plan to a trained run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from henshin.errors import HenshinError
from henshin.registry import Registry
from henshin.train import checkpoint
from henshin.train.config import RunPlan
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
    folder.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(folder, plan.path.parent, plan.description, plan.recipe.config.seed, registry, options, say)
    with run.interruptible():
        plan.recipe.train(run)
    say(f"stopped at step {run.steps}; {folder}")
    return run

"""Trained weights that are not exported: a training run's folder, or a .safetensors file."""

from __future__ import annotations

from pathlib import Path

from henshin.errors import HenshinError
from henshin.files import is_file

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"
SUFFIX = ".safetensors"


def find_trained_weights(name: str, base: Path | None = None) -> Path | None:
    """Return the run's folder or .safetensors file of a path, relative to ``base`` or the current folder, or None."""
    for place in dict.fromkeys([(base or Path()) / Path(name).expanduser(), Path(name).expanduser()]):
        if is_file(place / RUN_FILE) or (place.suffix == SUFFIX and is_file(place)):
            return place
    return None


def list_weight_files(place: Path) -> list[Path]:
    """Return the files of trained weights; for a run these are its run.json and those of its last checkpoint.

    Errors: HenshinError for a run without a checkpoint.
    """
    if place.suffix == SUFFIX and is_file(place):
        return [place]
    return [place / RUN_FILE, *sorted(one for one in last_checkpoint(place).iterdir() if one.is_file())]


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder of them, a run's ``checkpoints``, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def last_checkpoint(run: Path) -> Path:
    """Return the last checkpoint of the run in a folder. Errors: HenshinError where it has none."""
    checkpoints = list_checkpoints(run / CHECKPOINTS)
    if not checkpoints:
        raise HenshinError(f"{run}: this run has no checkpoint yet")
    return checkpoints[-1]

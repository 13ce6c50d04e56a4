"""Weights that are no exported model yet: a training run's folder, or a .safetensors file."""

from __future__ import annotations

from pathlib import Path

from henshin.errors import HenshinError
from henshin.files import is_file

RUN_FILE = "run.json"
SUFFIX = ".safetensors"


def find_trained_weights(name: str, base: Path | None = None) -> Path | None:
    """Return the run's folder or the file that a name is the path of, from ``base`` or else from where we are."""
    for place in dict.fromkeys([(base or Path()) / Path(name).expanduser(), Path(name).expanduser()]):
        if is_file(place / RUN_FILE) or (place.suffix == SUFFIX and is_file(place)):
            return place
    return None


def list_weight_files(place: Path) -> list[Path]:
    """Return the files that such weights are in: of a run its description and its last checkpoint.

    Errors: HenshinError for a run without a checkpoint.
    """
    if place.suffix == SUFFIX and is_file(place):
        return [place]
    checkpoints = sorted(one for one in (place / "checkpoints").glob("[0-9]*") if one.is_dir())
    if not checkpoints:
        raise HenshinError(f"{place}: this run has no checkpoint yet")
    return [place / RUN_FILE, *sorted(one for one in checkpoints[-1].iterdir() if one.is_file())]

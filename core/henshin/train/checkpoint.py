"""Checkpoints: tensors in safetensors, everything else in JSON, never pickle; each is whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from henshin.errors import HenshinError

TENSORS = "state.safetensors"
REST = "state.json"


def pack(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Turn nested state into what JSON can hold; tensors go into `tensors` under their path.

    Dictionaries become lists of pairs, for the states of optimisers have integers as keys.
    """
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, pack(item, f"{path}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [pack(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{path}: a checkpoint holds tensors, numbers, strings, lists and dicts, not {type(value).__name__}"
    )


def unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The inverse of `pack`."""
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def save(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write a checkpoint to the side, rename it into place, then drop all but the newest `keep`."""
    target, side = folder / f"{step:09d}", folder / f".{step:09d}.new"
    shutil.rmtree(side, ignore_errors=True)
    side.mkdir(parents=True)
    tensors: dict[str, torch.Tensor] = {}
    rest = pack(state, "state", tensors)
    save_file(tensors, side / TENSORS)
    (side / REST).write_text(json.dumps(rest))
    for name in (TENSORS, REST):
        _flush(side / name)
    shutil.rmtree(target, ignore_errors=True)
    side.rename(target)
    for old in found(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def found(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def load(checkpoint: Path) -> Any:
    """Read one checkpoint. Errors: HenshinError when it is not whole."""
    try:
        tensors = load_file(checkpoint / TENSORS)
        return unpack(json.loads((checkpoint / REST).read_text()), tensors)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise HenshinError(f"{checkpoint}: not a whole checkpoint ({error})") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

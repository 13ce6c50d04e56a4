"""Checkpoints: tensors in safetensors, everything else in JSON, without pickle; written atomically."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from henshin.errors import HenshinError
from henshin.files import flush_to_disk, part_path, put_in_place, sweep
from henshin.models.trained_weights import list_checkpoints

TENSORS = "state.safetensors"
VALUES = "state.json"


def pack(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return nested state as a value for JSON; its tensors are added to `tensors` under their paths.

    Dictionaries become lists of pairs, because the states of optimisers have integers as keys. A memory layout that is
    not the usual one is saved too: only with it do sums have the same rounding after a resume.
    Errors: TypeError for a value of any other type.
    """
    if isinstance(value, torch.Tensor):
        order = _order(value)
        tensors[path] = value.detach().permute(order).cpu().contiguous().clone()
        return {"tensor": path} if order == sorted(order) else {"tensor": path, "order": order}
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
    """Return the nested state that `pack` was called with, from its result and the tensors by their paths."""
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    if kind == "tensor":
        order = value.get("order")
        return tensors[content] if order is None else tensors[content].permute(_inverse(order))
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def _order(tensor: torch.Tensor) -> list[int]:
    """Return the dimensions from the largest stride to the smallest; in their own order for memory with gaps."""
    strides = list(tensor.stride())
    order = sorted(range(tensor.dim()), key=lambda i: (-strides[i], i))
    if tensor.is_contiguous() or not tensor.permute(order).is_contiguous():
        return list(range(tensor.dim()))
    return order


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def save(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write a checkpoint atomically, then remove all but the newest `keep`; return its folder."""
    write(begin(folder, step), state)
    return end(folder, step, keep)


def begin(folder: Path, step: int) -> Path:
    """Make and return the folder in which a new checkpoint is written, next to the others."""
    sweep(folder, idle=0)  # those of runs that were killed while they wrote
    new = unfinished(folder, step)
    new.mkdir(parents=True)
    return new


def write(folder: Path, state: dict[str, Any], rank: int = 0) -> None:
    """Write the state of one process; all but the first write `rankN.*`, with the state that only they have."""
    tensors: dict[str, torch.Tensor] = {}
    rest = pack(state, "state", tensors)
    names = _file_names(rank)
    save_file(tensors, folder / names[0])
    (folder / names[1]).write_text(json.dumps(rest))
    for name in names:
        flush_to_disk(folder / name)


def end(folder: Path, step: int, keep: int = 2) -> Path:
    """Rename an unfinished checkpoint into place, then remove all but the newest `keep`; return its folder."""
    target = folder / f"{step:09d}"
    put_in_place(unfinished(folder, step), target)
    flush_to_disk(folder)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def load(checkpoint: Path, rank: int = 0) -> Any:
    """Return the state of one process from a checkpoint. Errors: HenshinError when it is incomplete or damaged."""
    names = _file_names(rank)
    try:
        tensors = load_file(checkpoint / names[0])
        return unpack(json.loads((checkpoint / names[1]).read_text()), tensors)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise HenshinError(f"{checkpoint}: not a whole checkpoint ({error})") from error


def process_count(checkpoint: Path) -> int:
    """Return the number of processes that wrote a checkpoint."""
    return 1 + len(list(checkpoint.glob("rank*.json")))


def _file_names(rank: int) -> tuple[str, str]:
    return (f"rank{rank}.safetensors", f"rank{rank}.json") if rank else (TENSORS, VALUES)


def unfinished(folder: Path, step: int) -> Path:
    """Return the folder in which every process of a run writes a new checkpoint."""
    return part_path(folder, f"{step:09d}")

"""Checkpoints: tensors in safetensors, everything else in JSON, never pickle; each is whole or not there at all."""

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
REST = "state.json"


def pack(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Turn nested state into what JSON can hold; tensors go into `tensors` under their path.

    Dictionaries become lists of pairs, for the states of optimisers have integers as keys. The order in which a
    tensor lies in memory is kept where it is not the usual one: sums come out the same after a break only then.
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
    """The inverse of `pack`."""
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
    """The dimensions of a tensor from the slowest to the fastest in memory; as they are, where it has gaps."""
    strides = list(tensor.stride())
    order = sorted(range(tensor.dim()), key=lambda i: (-strides[i], i))
    if tensor.is_contiguous() or not tensor.permute(order).is_contiguous():
        return list(range(tensor.dim()))
    return order


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def save(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write a checkpoint to the side, rename it into place, then drop all but the newest `keep`."""
    write(begin(folder, step), state)
    return end(folder, step, keep)


def begin(folder: Path, step: int) -> Path:
    """Make the folder beside the checkpoints in which a new one is written."""
    sweep(folder, idle=0)  # of runs that were killed while they wrote
    new = side(folder, step)
    new.mkdir(parents=True)
    return new


def write(folder: Path, state: dict[str, Any], rank: int = 0) -> None:
    """Write the state of one process; those beside the first add `rankN.*` with what is theirs alone."""
    tensors: dict[str, torch.Tensor] = {}
    rest = pack(state, "state", tensors)
    names = _names(rank)
    save_file(tensors, folder / names[0])
    (folder / names[1]).write_text(json.dumps(rest))
    for name in names:
        flush_to_disk(folder / name)


def end(folder: Path, step: int, keep: int = 2) -> Path:
    """Rename what was written into place, then drop all but the newest `keep`."""
    target = folder / f"{step:09d}"
    put_in_place(side(folder, step), target)
    flush_to_disk(folder)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def load(checkpoint: Path, rank: int = 0) -> Any:
    """Read one checkpoint, or what one of several processes added to it. Errors: HenshinError when it is not whole."""
    names = _names(rank)
    try:
        tensors = load_file(checkpoint / names[0])
        return unpack(json.loads((checkpoint / names[1]).read_text()), tensors)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise HenshinError(f"{checkpoint}: not a whole checkpoint ({error})") from error


def ranks(checkpoint: Path) -> int:
    """How many processes wrote a checkpoint."""
    return 1 + len(list(checkpoint.glob("rank*.json")))


def _names(rank: int) -> tuple[str, str]:
    return (f"rank{rank}.safetensors", f"rank{rank}.json") if rank else (TENSORS, REST)


def side(folder: Path, step: int) -> Path:
    """Return where a new checkpoint is written, by every process of a run."""
    return part_path(folder, f"{step:09d}")

"""`henshin export`: from a run's folder, or a file of weights, to a model with a name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from henshin.errors import HenshinError, PictureError
from henshin.generator import Generator
from henshin.images import read
from henshin.manifest import hash_file
from henshin.models import Contract, Entry, list_model
from henshin.registry import Registry
from henshin.train import checkpoint
from henshin.train.export import Source
from henshin.train.folders import as_folders, pictures_in, split
from henshin.train.networks import make_generator
from henshin.words import one_line

RUN_FILE = "run.json"
UNSTATED = "not stated"


def from_run(folder: Path, registry: Registry, data: str = "", licence: str = "") -> Source:
    """The network that a run published, with the weights of its last checkpoint. Errors: HenshinError."""
    described = folder / RUN_FILE
    if not described.is_file():
        raise HenshinError(f"{folder}: is no folder of a training run (it has no {RUN_FILE})")
    run = described_run(described)
    found = checkpoint.found(folder / "checkpoints")
    if not found:
        raise HenshinError(f"{folder}: this run has no checkpoint yet")
    if "" not in run["publish"]:
        raise HenshinError(f"{folder}: this run says of no network that it is the one to export (run.publish)")
    published = run["publish"][""]
    state = checkpoint.load(found[-1])
    tensors = {
        name.removeprefix(published["prefix"]): tensor
        for name, tensor in state.get(published["state"], {}).items()
        if name.startswith(published["prefix"])
    }
    generator = make_generator(registry, published["generator"], published["config"])
    settings = json.dumps(without_places(run["config"]), sort_keys=True)
    origin = f"trained by henshin: recipe {run['recipe']}, {state['run']['steps']} steps; {settings}"
    return Source(
        generator,
        loaded(generator, tensors, str(folder)),
        published["size"],
        origin,
        data or UNSTATED,
        licence or UNSTATED,
    )


def described_run(file: Path) -> dict[str, Any]:
    """What a run's run.json says. Errors: HenshinError when it is damaged."""
    try:
        run = json.loads(file.read_text())
        whole = {name: run[name] for name in ("recipe", "config", "publish", "base")}
        return {**whole, "precision": run.get("precision", "auto")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HenshinError(f"{file}: is damaged ({one_line(error)})") from error


def without_places(value: Any) -> Any:
    """The settings of a run, its folders and files by their last names alone: where they lay is nobody's business."""
    if isinstance(value, dict):
        return {name: without_places(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_places(item) for item in value]
    return PureWindowsPath(value).name or value if isinstance(value, str) else value


def from_weights(
    name: str, options: dict[str, Any], file: Path, registry: Registry, size: int | None, data: str, licence: str
) -> Source:
    """A generator by its name with weights from a safetensors file. Errors: HenshinError."""
    generator = make_generator(registry, name, options)
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise HenshinError(f"{file}: cannot be read as safetensors ({error})") from error
    return Source(
        generator,
        loaded(generator, tensors, str(file)),
        size,
        f"weights of {file.name}",
        data or UNSTATED,
        licence or UNSTATED,
    )


def loaded(generator: Generator[Any], tensors: Mapping[str, torch.Tensor], where: str) -> torch.nn.Module:
    """The network of a generator with these weights. Errors: HenshinError that names the first that does not fit."""
    network = generator.build()
    expected = network.state_dict()
    for name in sorted({*expected, *tensors}):
        if name not in tensors or name not in expected:
            side = "lacks" if name not in tensors else "has an unknown"
            raise HenshinError(f"{where}: {side} tensor '{name}' for generator '{generator.name}'")
        if expected[name].shape != tensors[name].shape:
            ours, theirs = tuple(expected[name].shape), tuple(tensors[name].shape)
            raise HenshinError(f"{where}: tensor '{name}' is {theirs}, generator '{generator.name}' wants {ours}")
    network.load_state_dict(tensors)
    return network


def held_pictures(folder: Path, count: int = 3) -> list[np.ndarray]:
    """Some pictures that a run held out of its training, for the parity check; none if they are gone."""
    run = described_run(folder / RUN_FILE)
    data = run["config"].get("data", {})
    if "a" not in data:
        return []
    try:
        folders = as_folders(data["a"], Path(run["base"]))
    except HenshinError:
        return []
    files = pictures_in(folders)
    held = split(files, data.get("hold_out", 0))[1] or files
    return pictures_of(held[:count])


def pictures_of(files: Sequence[Path]) -> list[np.ndarray]:
    """The pictures of these files, those that can be read."""
    found = []
    for file in files:
        try:
            found.append(read(file).picture)
        except PictureError:
            continue
    return found


def listed(path: Path, contract: Contract, description: str) -> None:
    """Enter a model that was just exported into its folder's list of models, with its size and hash."""
    entry = Entry(
        name=path.stem,
        file=path.name,
        sha256=hash_file(path),
        size=path.stat().st_size,
        kind=contract.kind,
        description=description,
        run=contract.origin,
        data=contract.data,
        licence=contract.licence,
    )
    list_model(path.parent, entry)

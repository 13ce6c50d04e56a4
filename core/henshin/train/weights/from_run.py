"""`henshin export`: from a run's folder, or a file of weights, to a model with a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, Field
from safetensors import SafetensorError
from safetensors.torch import load_file

from henshin.api.generator import Generator
from henshin.api.recipe import FolderOption, PictureData, RecipeConfig, SetData, StartOption, UnpairedData
from henshin.api.stage import FileOption, ModelOption
from henshin.config.options import Where, marked_values
from henshin.config.validation import models_in
from henshin.errors import HenshinError, PictureError
from henshin.images import read
from henshin.models.trained_weights import RUN_FILE
from henshin.registry import Registry
from henshin.text import one_line
from henshin.train.data.folders import as_folders, by_option, pictures_in, split
from henshin.train.export.exporter import Source
from henshin.train.networks import make_generator
from henshin.train.weights import checkpoint
from henshin.train.weights.state_dict import misfit

UNSTATED = "not stated"


def from_run(folder: Path, registry: Registry, data: str = "", licence: str = "", size: int | None = None) -> Source:
    """The network that a run published, with the weights of its last checkpoint. Errors: HenshinError.

    The model's preferred size is `size`, else what the recipe published, else the side of the run's pictures.
    """
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
    config = config_of(run["recipe"], registry)
    settings = json.dumps(without_places(run["config"], config), sort_keys=True)
    origin = f"trained by henshin: recipe {run['recipe']}, {state['run']['steps']} steps; {settings}"
    return Source(
        generator,
        loaded(generator, tensors, str(folder)),
        size or published["size"] or trained_size(run["config"], config or Unknown),
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


class AnyData(UnpairedData, SetData):
    """The options for folders that data of any kind has."""


class Unknown(RecipeConfig):
    """What is taken for the options of a recipe whose plugin is gone."""

    data: AnyData = Field(description="Its pictures.")


def config_of(recipe: str, registry: Registry) -> type[BaseModel] | None:
    """The options of a recipe; None where its plugin is gone."""
    try:
        return registry.recipe(recipe).Config
    except HenshinError:
        return None


def without_places(value: Any, config: type[BaseModel] | None) -> Any:
    """The settings of a run, its folders and files by their last names alone: where they lay is nobody's business.

    Those are the options that the recipe marks as folders, files or models, and whatever is an absolute path; of a
    recipe that is gone all texts.
    """
    if config is None:
        return _changed(value, lambda _, text: _last(text))
    marks = (FolderOption, FileOption, ModelOption, StartOption)
    places = {path for mark in marks for path, _, _ in marked_values(config, value, mark)}
    return _changed(value, lambda path, text: _last(text) if path in places or _absolute(text) else text)


def _changed(value: Any, change: Callable[[Where, str], str], path: Where = ()) -> Any:
    """Plain values with every text changed."""
    if isinstance(value, dict):
        return {name: _changed(item, change, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_changed(item, change, (*path, index)) for index, item in enumerate(value)]
    return change(path, value) if isinstance(value, str) else value


def _last(place: str) -> str:
    return PureWindowsPath(place).name or place


def _absolute(text: str) -> bool:
    return text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def trained_size(values: Any, config: type[BaseModel]) -> int | None:
    """Side of the pictures of a run: the `size` of the first `PictureData` among its options."""
    for name, field in config.model_fields.items():
        inner = values.get(name)
        for model in models_in(field.annotation) if isinstance(inner, dict) else ():
            size = inner.get("size") if issubclass(model, PictureData) else trained_size(inner, model)
            if isinstance(size, int):
                return size
    return None


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
    """The network of a generator with these weights.

    Errors: HenshinError that names those that do not fit, or that hold NaN or infinity, with which nothing is drawn.
    """
    network = generator.build()
    problem = misfit(network.state_dict(), tensors, f"generator '{generator.name}'") or _not_finite(tensors)
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)
    return network


def _not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """What is wrong with weights that a diverged training left; parity would not tell, for NaN is drawn alike."""
    broken = [name for name, tensor in sorted(tensors.items()) if not bool(torch.isfinite(tensor).all())]
    if not broken:
        return None
    more = f", and so do {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"tensor '{broken[0]}' holds values that are not finite{more}"


def held_pictures(folder: Path, registry: Registry, count: int = 3) -> list[np.ndarray]:
    """Some pictures that a run held out of its training, for the parity check; none if they are gone.

    They are those of the first option that the recipe marks as a folder of pictures.
    """
    run = described_run(folder / RUN_FILE)
    values = run["config"]
    config = config_of(run["recipe"], registry) or Unknown
    found = by_option(one for one in marked_values(config, values, FolderOption) if one[2].pictures)
    for where, (names, _) in found.items():
        try:
            folders = as_folders(names, Path(run["base"]))
        except HenshinError:
            return []
        beside = reduce(lambda inner, key: inner[key], where[:-1], values)
        hold_out = beside.get("hold_out", 0)
        files = pictures_in(folders)
        held = split(files, hold_out if isinstance(hold_out, int) else 0)[1] or files
        return pictures_of(held[:count])
    return []


def pictures_of(files: Sequence[Path]) -> list[np.ndarray]:
    """The pictures of these files, those that can be read."""
    found = []
    for file in files:
        try:
            found.append(read(file).picture)
        except PictureError:
            continue
    return found

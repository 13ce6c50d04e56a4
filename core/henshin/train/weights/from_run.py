"""`henshin export`: from a run's folder, or a file of weights, to a model with a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import BaseModel, Field

from henshin.api.generator import GeneratorRegistry
from henshin.api.recipe import RecipeConfig
from henshin.api.training_data import PictureData, SetData, UnpairedData
from henshin.config.options import FileOption, FolderOption, ModelOption, OptionPath, StartOption, find_option_values
from henshin.config.validation import models_in
from henshin.errors import HenshinError
from henshin.train.networks import make_generator
from henshin.train.weights.run_folder import published_tensors
from henshin.train.weights.state_dict import load_network
from henshin.train.weights.trained_network import UNSTATED, TrainedNetwork


def from_run(
    folder: Path, registry: GeneratorRegistry, data: str = "", licence: str = "", size: int | None = None
) -> TrainedNetwork:
    """The network that a run published, with the weights of its last checkpoint. Errors: HenshinError.

    The model's preferred size is `size`, else what the recipe published, else the side of the run's pictures.
    """
    published = published_tensors(folder)
    network, run = published.network, published.run
    generator = make_generator(registry, network.generator, network.config)
    config = config_of(run["recipe"], registry)
    settings = json.dumps(without_places(run["config"], config), sort_keys=True)
    origin = f"trained by henshin: recipe {run['recipe']}, {published.states['run']['steps']} steps; {settings}"
    return TrainedNetwork(
        generator,
        load_network(generator, published.tensors, str(folder)),
        size or network.size or trained_size(run["config"], config or Unknown),
        origin,
        data or UNSTATED,
        licence or UNSTATED,
    )


class AnyData(UnpairedData, SetData):
    """The options for folders that data of any kind has."""


class Unknown(RecipeConfig):
    """What is taken for the options of a recipe whose plugin is gone."""

    data: AnyData = Field(description="Its pictures.")


def config_of(recipe: str, registry: GeneratorRegistry) -> type[BaseModel] | None:
    """The options of a recipe; None where its plugin is gone."""
    try:
        found: type[BaseModel] = registry.recipe(recipe).Config
    except HenshinError:
        return None
    return found


def without_places(value: Any, config: type[BaseModel] | None) -> Any:
    """The settings of a run, its folders and files by their last names alone: where they lay is nobody's business.

    Those are the options that the recipe marks as folders, files or models, and whatever is an absolute path; of a
    recipe that is gone all texts.
    """
    if config is None:
        return _changed(value, lambda _, text: _last(text))
    marks = (FolderOption, FileOption, ModelOption, StartOption)
    places = {path for mark in marks for path, _, _ in find_option_values(config, value, mark)}
    return _changed(value, lambda path, text: _last(text) if path in places or _absolute(text) else text)


def _changed(value: Any, change: Callable[[OptionPath, str], str], path: OptionPath = ()) -> Any:
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

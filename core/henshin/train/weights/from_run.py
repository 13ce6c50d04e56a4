"""The network of a run, with its weights and the statements of its contract, for export."""

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
from henshin.train.weights.evaluations import figures_of_state
from henshin.train.weights.run_folder import published_tensors
from henshin.train.weights.state_dict import load_network
from henshin.train.weights.trained_network import UNSTATED, TrainedNetwork


def from_run(
    folder: Path,
    registry: GeneratorRegistry,
    data: str = "",
    licence: str = "",
    size: int | None = None,
    best: bool = False,
) -> TrainedNetwork:
    """Return the network that a run published, with the weights of its last checkpoint, or of its best state.

    Its figures on held-out pictures come with it, where that very state was measured. Errors: HenshinError.

    The model's preferred size is `size`, else what the recipe published, else the side of the run's pictures.
    """
    published = published_tensors(folder, best=best)
    network, run = published.network, published.run
    generator = make_generator(registry, network.generator, network.config)
    config = recipe_config(run["recipe"], registry)
    settings = json.dumps(strip_folders(run["config"], config), sort_keys=True)
    steps = published.states["run"]["steps"]
    origin = f"trained by henshin: recipe {run['recipe']}, {steps} steps; {settings}"
    return TrainedNetwork(
        generator,
        load_network(generator, published.tensors, str(folder)),
        size or network.size or trained_size(run["config"], config or UnknownRecipeConfig),
        origin,
        data or UNSTATED,
        licence or UNSTATED,
        evaluation=figures_of_state(folder, published.states),
    )


class AnyData(UnpairedData, SetData):
    """Folder options of data of any kind."""


class UnknownRecipeConfig(RecipeConfig):
    """Options of a recipe whose plugin is not installed: those of its data."""

    data: AnyData = Field(description="Its pictures.")


def recipe_config(recipe: str, registry: GeneratorRegistry) -> type[BaseModel] | None:
    """Return the Config of a recipe; None where its plugin is not installed."""
    try:
        config: type[BaseModel] = registry.recipe(recipe).Config
    except HenshinError:
        return None
    return config


def strip_folders(value: Any, config: type[BaseModel] | None) -> Any:
    """Return the options of a run with only the last name of each path, because a model must not tell private folders.

    Paths are the options that the recipe marks as folders, files or models, and all absolute paths; without the
    recipe's `config`, all texts.
    """
    if config is None:
        return _map_texts(value, lambda _, text: _last_name(text))
    marks = (FolderOption, FileOption, ModelOption, StartOption)
    places = {path for mark in marks for path, _, _ in find_option_values(config, value, mark)}
    return _map_texts(value, lambda path, text: _last_name(text) if path in places or _is_absolute(text) else text)


def _map_texts(value: Any, change: Callable[[OptionPath, str], str], path: OptionPath = ()) -> Any:
    """Return a nested value with `change(path, text)` in place of every text."""
    if isinstance(value, dict):
        return {name: _map_texts(item, change, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_map_texts(item, change, (*path, index)) for index, item in enumerate(value)]
    return change(path, value) if isinstance(value, str) else value


def _last_name(place: str) -> str:
    return PureWindowsPath(place).name or place


def _is_absolute(text: str) -> bool:
    return text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def trained_size(values: Any, config: type[BaseModel]) -> int | None:
    """Return the side of a run's pictures: the `size` of the first `PictureData` among its options, or None."""
    for name, field in config.model_fields.items():
        inner = values.get(name)
        for model in models_in(field.annotation) if isinstance(inner, dict) else ():
            size = inner.get("size") if issubclass(model, PictureData) else trained_size(inner, model)
            if isinstance(size, int):
                return size
    return None

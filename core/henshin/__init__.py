"""henshin (変身, "transformation"): a plugin-based engine for image-to-image translation.

These names are all that a plugin needs. They load lazily: `import henshin` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.frame import Dropped, Face, Frame
    from henshin.api.generator import Generator, GeneratorConfig
    from henshin.api.hookspecs import hookimpl
    from henshin.api.recipe import NetworkChoice, Recipe, RecipeConfig, Run, SamplerChoice, ScheduledConfig
    from henshin.api.stage import Stage, StageConfig
    from henshin.api.training_data import PairedData, SetData, UnpairedData
    from henshin.config.options import FileName, FolderName, FolderNames, ModelName, PictureName, TranslatorName
    from henshin.errors import HenshinError, MissingError, PictureError, PipelineError
    from henshin.images.picture import Metadata, Picture
    from henshin.runtime import Model


__version__ = "0.1.0"

_HOME = {
    "Context": "api.context",
    "HenshinError": "errors",
    "MissingError": "errors",
    "PictureError": "errors",
    "PipelineError": "errors",
    "Dropped": "api.frame",
    "Face": "api.frame",
    "Frame": "api.frame",
    "Metadata": "images.picture",
    "Picture": "images.picture",
    "Generator": "api.generator",
    "GeneratorConfig": "api.generator",
    "hookimpl": "api.hookspecs",
    "Degradation": "api.training_data",
    "PatchData": "api.training_data",
    "FolderName": "config.options",
    "FolderNames": "config.options",
    "NetworkChoice": "api.recipe",
    "SamplerChoice": "api.recipe",
    "PairedData": "api.training_data",
    "ScheduledConfig": "api.recipe",
    "SetData": "api.training_data",
    "Recipe": "api.recipe",
    "RecipeConfig": "api.recipe",
    "UnpairedData": "api.training_data",
    "Model": "runtime",
    "FileName": "config.options",
    "ModelName": "config.options",
    "PictureName": "config.options",
    "TranslatorName": "config.options",
    "Stage": "api.stage",
    "StageConfig": "api.stage",
    "Run": "api.recipe",
}

__all__ = [
    "Context",
    "Degradation",
    "Dropped",
    "Face",
    "FileName",
    "FolderName",
    "FolderNames",
    "Frame",
    "Generator",
    "GeneratorConfig",
    "HenshinError",
    "Metadata",
    "MissingError",
    "Model",
    "ModelName",
    "NetworkChoice",
    "PairedData",
    "PatchData",
    "Picture",
    "PictureError",
    "PictureName",
    "PipelineError",
    "Recipe",
    "RecipeConfig",
    "Run",
    "SamplerChoice",
    "ScheduledConfig",
    "SetData",
    "Stage",
    "StageConfig",
    "TranslatorName",
    "UnpairedData",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'henshin' has no attribute '{name}'")
    value = getattr(import_module(f"henshin.{home}"), name)
    globals()[name] = value
    return value

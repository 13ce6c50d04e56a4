"""henshin (変身, "transformation"): a plugin-based engine for image-to-image translation.

The names here are all that a plugin needs. Each is loaded at its first use, so that `import henshin` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.frame import Dropped, Face, Frame
    from henshin.api.generator import Generator, GeneratorConfig
    from henshin.api.hookspecs import hookimpl
    from henshin.api.recipe import (
        EvaluatedConfig,
        NetworkChoice,
        Recipe,
        RecipeConfig,
        Run,
        SamplerChoice,
        ScheduledConfig,
    )
    from henshin.api.stage import Stage, StageConfig
    from henshin.api.training_data import Degradation, PairedData, PatchData, SetData, UnpairedData
    from henshin.config.options import FileName, FolderName, FolderNames, ModelName, PictureName, TranslatorName
    from henshin.errors import HenshinError, MissingError, PictureError, PipelineError
    from henshin.images.picture import Metadata, Picture
    from henshin.runtime import Model

__version__ = "0.1.0"

_HOME = {
    "Context": "api.context",
    "Degradation": "api.training_data",
    "Dropped": "api.frame",
    "EvaluatedConfig": "api.recipe",
    "Face": "api.frame",
    "FileName": "config.options",
    "FolderName": "config.options",
    "FolderNames": "config.options",
    "Frame": "api.frame",
    "Generator": "api.generator",
    "GeneratorConfig": "api.generator",
    "HenshinError": "errors",
    "Metadata": "images.picture",
    "MissingError": "errors",
    "Model": "runtime",
    "ModelName": "config.options",
    "NetworkChoice": "api.recipe",
    "PairedData": "api.training_data",
    "PatchData": "api.training_data",
    "Picture": "images.picture",
    "PictureError": "errors",
    "PictureName": "config.options",
    "PipelineError": "errors",
    "Recipe": "api.recipe",
    "RecipeConfig": "api.recipe",
    "Run": "api.recipe",
    "SamplerChoice": "api.recipe",
    "ScheduledConfig": "api.recipe",
    "SetData": "api.training_data",
    "Stage": "api.stage",
    "StageConfig": "api.stage",
    "TranslatorName": "config.options",
    "UnpairedData": "api.training_data",
    "hookimpl": "api.hookspecs",
}

__all__ = [
    "Context",
    "Degradation",
    "Dropped",
    "EvaluatedConfig",
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

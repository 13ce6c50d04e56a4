"""henshin (変身, "transformation"): a plugin-based engine for image-to-image translation.

These names are all that a plugin needs. They load lazily: `import henshin` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.frame import Dropped, Face, Frame, Metadata, Picture
    from henshin.api.generator import Generator, GeneratorConfig
    from henshin.api.hookspecs import hookimpl
    from henshin.api.recipe import (
        FolderName,
        FolderNames,
        NetworkChoice,
        PairedData,
        Recipe,
        RecipeConfig,
        Run,
        SamplerChoice,
        ScheduledConfig,
        SetData,
        UnpairedData,
    )
    from henshin.api.stage import FileName, ModelName, PictureName, Stage, StageConfig, TranslatorName
    from henshin.errors import HenshinError, MissingError, PictureError, PipelineError
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
    "Metadata": "api.frame",
    "Picture": "api.frame",
    "Generator": "api.generator",
    "GeneratorConfig": "api.generator",
    "hookimpl": "api.hookspecs",
    "Degradation": "api.training_data",
    "PatchData": "api.training_data",
    "FolderName": "api.recipe",
    "FolderNames": "api.recipe",
    "NetworkChoice": "api.recipe",
    "SamplerChoice": "api.recipe",
    "PairedData": "api.recipe",
    "ScheduledConfig": "api.recipe",
    "SetData": "api.recipe",
    "Recipe": "api.recipe",
    "RecipeConfig": "api.recipe",
    "UnpairedData": "api.recipe",
    "Model": "runtime",
    "FileName": "api.stage",
    "ModelName": "api.stage",
    "PictureName": "api.stage",
    "TranslatorName": "api.stage",
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

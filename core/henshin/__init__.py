"""henshin (変身, "transformation"): a plugin-based engine for image-to-image translation.

These names are all that a plugin needs. They load lazily: `import henshin` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from henshin.context import Context
    from henshin.errors import HenshinError, MissingError, PictureError, PipelineError
    from henshin.frame import Dropped, Face, Frame, Metadata, Picture
    from henshin.generator import Generator, GeneratorConfig
    from henshin.hookspecs import hookimpl
    from henshin.recipe import (
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
    from henshin.runtime import Model
    from henshin.stage import FileName, ModelName, PictureName, Stage, StageConfig, TranslatorName

__version__ = "0.1.0"

_HOME = {
    "Context": "context",
    "HenshinError": "errors",
    "MissingError": "errors",
    "PictureError": "errors",
    "PipelineError": "errors",
    "Dropped": "frame",
    "Face": "frame",
    "Frame": "frame",
    "Metadata": "frame",
    "Picture": "frame",
    "Generator": "generator",
    "GeneratorConfig": "generator",
    "hookimpl": "hookspecs",
    "Degradation": "patch_data",
    "PatchData": "patch_data",
    "FolderName": "recipe",
    "FolderNames": "recipe",
    "NetworkChoice": "recipe",
    "SamplerChoice": "recipe",
    "PairedData": "recipe",
    "ScheduledConfig": "recipe",
    "SetData": "recipe",
    "Recipe": "recipe",
    "RecipeConfig": "recipe",
    "UnpairedData": "recipe",
    "Model": "runtime",
    "FileName": "stage",
    "ModelName": "stage",
    "PictureName": "stage",
    "TranslatorName": "stage",
    "Stage": "stage",
    "StageConfig": "stage",
    "Run": "recipe",
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

"""The recipe and the generator of a stranger, with folders and networks within options, as a plugin's file."""

from __future__ import annotations

STRANGER = '''\
from typing import Annotated
from henshin import (FolderName, FolderNames, Generator, GeneratorConfig, NetworkChoice, PairedData, Recipe,
                     RecipeConfig, SamplerChoice, hookimpl)
from henshin.config.options import FolderOption
from henshin.api.recipe import NetworkOption
from pydantic import BaseModel, Field

class HayaoConfig(GeneratorConfig):
    width: int = Field(8, ge=4, description="Channels.")

class Hayao(Generator[HayaoConfig]):
    """Enlarges."""
    name = "hayao"
    Config = HayaoConfig
    scale = 2
    maximum_size = 64

    def build(self):
        from torch import nn
        return nn.Sequential(nn.Conv2d(3, 12, 3, 1, 1), nn.PixelShuffle(2))

class Inner(BaseModel):
    size: int = Field(48, description="Side of strokes.")
    strokes: FolderName = Field(description="Strokes.")
    more: FolderNames | None = Field(None, description="More of them.")
    teacher: NetworkChoice | None = Field(None, description="What shows how.")

class StrokesConfig(RecipeConfig):
    generator: Annotated[NetworkChoice, NetworkOption(scale=None)] = Field(description="Of any scale.")
    inner: Inner = Field(description="All about strokes.")
    others: tuple[NetworkChoice, ...] = Field((), description="Others.")
    noise: SamplerChoice | None = Field(None, description="Draws.")
    a: str = Field("x/y", description="No folder, though it looks like one.")
    weights: Annotated[str, FolderOption(pictures=False)] = Field(".", description="A folder of anything.")
    data: PairedData | None = Field(None, description="Pairs.")

class Strokes(Recipe[StrokesConfig]):
    """Learns strokes."""
    name = "strokes"
    Config = StrokesConfig

    def train(self, run):
        """Nothing is learned here."""

@hookimpl
def henshin_generators():
    return [Hayao]

@hookimpl
def henshin_recipes():
    return [Strokes]
'''

"""A good plugin as a text, and modules made of texts."""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType

GOOD = """
from henshin import Generator, GeneratorConfig, Recipe, Stage, StageConfig, hookimpl
from pydantic import Field

class DotsConfig(StageConfig):
    dot: int = Field(4, ge=2, description="Side of a dot.")

class Dots(Stage[DotsConfig]):
    "Print dots."
    name = "dots"
    Config = DotsConfig
    def run(self, pictures):
        return pictures

class Net(Generator[GeneratorConfig]):
    name = "net"
    def build(self):
        raise RuntimeError

class School(Recipe):
    name = "school"
    def train(self, run):
        pass

@hookimpl
def henshin_stages():
    return [Dots]

@hookimpl
def henshin_generators():
    return [Net]

@hookimpl
def henshin_recipes():
    return [School]
"""


def module(source: str, name: str = "stranger") -> ModuleType:
    """A module made of a text; classes in it have names that pydantic can look up."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(textwrap.dedent(source), made.__dict__)
    return made

"""Generators by name and options, and their pictures in a normalised range."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from henshin.api.generator import Generator, GeneratorRegistry
from henshin.config.validation import validate
from henshin.config.yaml_reader import parse
from henshin.errors import PipelineError


def make_generator(registry: GeneratorRegistry, name: str, options: Mapping[str, Any]) -> Generator[Any]:
    """Return a generator plugin with its options. Errors: HenshinError for an unknown name or a wrong option."""
    return make_generator_of(registry.generator(name), options)


def make_generator_of(kind: type[Generator[Any]], options: Mapping[str, Any]) -> Generator[Any]:
    """Return a generator of a class with its options. Errors: HenshinError for a wrong option."""
    where = f"generator '{kind.name}'"
    config, problems = validate(kind.Config, parse(json.dumps(dict(options)), where, [], lines=False), where)
    if config is None:
        raise PipelineError(problems)
    return kind(config)


def with_normalised_io(network: nn.Module, generator: Generator[Any]) -> nn.Module:
    """Make a network's input and output RGB in [-1, 1], whatever range and channel order its generator declares.

    Recipes see no other range. The conversion is a hook, so the network's tensors keep their names and a copy of it
    converts too. Methods besides ``forward`` are not converted; recipes that call them set ``NetworkOption.plain``.
    """
    low, high = generator.value_range
    half, bgr = (high - low) / 2, generator.channel_order == "BGR"
    if generator.kind == "mapping" or ((low, high) == (-1.0, 1.0) and not bgr):
        return network

    def swap_channels(pictures: Tensor) -> Tensor:
        return pictures.flip(1) if bgr else pictures

    def convert_input(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (swap_channels(inputs[0] + 1) * half + low, *inputs[1:])

    def convert_output(_: nn.Module, inputs: tuple[Any, ...], pictures: Tensor) -> Tensor:  # noqa: ARG001
        return (swap_channels(pictures) - low) / half - 1

    if generator.kind in ("translator", "encoder"):
        network.register_forward_pre_hook(convert_input)
    if generator.kind == "encoder":
        return network
    network.register_forward_hook(convert_output)
    return network

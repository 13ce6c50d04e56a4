"""Generators by name and options."""

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
    """A generator plugin with its options. Errors: HenshinError for an unknown name or a wrong option."""
    return make_generator_of(registry.generator(name), options)


def make_generator_of(kind: type[Generator[Any]], options: Mapping[str, Any]) -> Generator[Any]:
    """A generator of a class with these options. Errors: HenshinError for a wrong one."""
    where = f"generator '{kind.name}'"
    config, problems = validate(kind.Config, parse(json.dumps(dict(options)), where, [], lines=False), where)
    if config is None:
        raise PipelineError(problems)
    return kind(config)


def with_normalised_io(network: nn.Module, generator: Generator[Any]) -> nn.Module:
    """Let a network take and give RGB in [-1, 1], whatever range and order of channels its generator declares.

    Recipes know nothing else. The conversion hangs on the network's call, so its tensors keep their names, and a copy
    of it converts too; methods besides ``forward`` are not covered (``NetworkOption.plain`` is for recipes of those).
    """
    low, high = generator.value_range
    half, bgr = (high - low) / 2, generator.channel_order == "BGR"
    if generator.kind == "mapping" or ((low, high) == (-1.0, 1.0) and not bgr):
        return network

    def flipped(pictures: Tensor) -> Tensor:
        return pictures.flip(1) if bgr else pictures

    def take(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (flipped(given[0] + 1) * half + low, *given[1:])

    def give(_: nn.Module, given: tuple[Any, ...], drawn: Tensor) -> Tensor:  # noqa: ARG001
        return (flipped(drawn) - low) / half - 1

    if generator.kind in ("translator", "encoder"):
        network.register_forward_pre_hook(take)
    if generator.kind == "encoder":
        return network
    network.register_forward_hook(give)
    return network

"""Blocks of one network in another: each block of the base as it is, another's, or in between.

Of a generator that was fine-tuned in its last blocks (FreezeG) some may be used in the one that it was
made from; the same, with weights in between, is known as layer swapping (Pinkney and Adler 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import Tensor

from henshin.config.block_range import BlockRange
from henshin.config.validation import validate
from henshin.config.yaml_reader import load_yaml
from henshin.errors import HenshinError, PipelineError, Problem
from henshin.train.weights.state_dict import load_network, state_dict_mismatch
from henshin.train.weights.trained_network import TrainedNetwork

HALF = 0.5


class Swap(BlockRange):
    """Which blocks are another model's, counted from 1, the one of 4 pixels."""

    model: str = Field(description="Whose: a model's name, a .safetensors file, or a run's folder.")
    share: float | tuple[float, ...] = Field(1.0, description="How much of the other's weights, or of each block's.")

    def shares(self, count: int) -> dict[int, float]:
        """{block: share} in a network of `count` blocks. Errors: HenshinError for blocks or shares that cannot be."""
        numbers = self.numbers(count)
        given = self.share if isinstance(self.share, tuple) else (self.share,) * len(numbers)
        if len(given) != len(numbers):
            raise HenshinError(
                f"{len(given)} shares for {len(numbers)} blocks ({numbers[0]} to {numbers[-1]}); give as many, or one "
                "for all"
            )
        wrong = next((share for share in given if not 0 <= share <= 1), None)
        if wrong is not None:
            raise HenshinError(f"share {wrong:g}: from 0 (the base) to 1 (the other) can be")
        return dict(zip(numbers, given, strict=True))


def _listed(given: object) -> object:
    return given if isinstance(given, list | tuple) else [given]


class Blocks(BaseModel):
    """A network, and what of it is another's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = Field(description="The model that the rest is of, and the mapping.")
    swap: Annotated[tuple[Swap, ...], BeforeValidator(_listed)] = Field(
        min_length=1, description="One swap, or a list of them; the later ones go on from the earlier."
    )


class BlendFile(BaseModel):
    """The whole of a file: `blocks: {base: g, swap: {from: 3, to: 6, model: g_fin4}}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks: Blocks = Field(description="Which network, and which blocks are swapped.")


def read_blend(file: Path) -> Blocks:
    """What a YAML file says of blocks. Errors: HenshinError, all that is wrong with file and line."""
    problems: list[Problem] = []
    config, wrong = validate(BlendFile, load_yaml(file, problems=problems), str(file))
    if config is None or problems:
        raise PipelineError([*problems, *wrong])
    return config.blocks


def blended(names: Sequence[str], base: TrainedNetwork, swaps: Sequence[tuple[Swap, TrainedNetwork]]) -> TrainedNetwork:
    """The base with the blocks of others: learned tensors in between by share, others those of the larger share.

    `names` are what base and others are called, for the words on where it comes from.
    Errors: HenshinError when the generator has no blocks, another is of another generator, or a block's tensors do not
    fit, with the first that differs.
    """
    generator = base.generator
    blocks = generator.blocks()
    if not blocks:
        raise HenshinError(f"generator '{generator.name}' does not say what its blocks are: none can be swapped")
    tensors = {name: tensor.clone() for name, tensor in base.network.state_dict().items()}
    learned = {name for name, _ in base.network.named_parameters()}
    said = []
    for (swap, other), called in zip(swaps, names[1:], strict=True):
        if other.generator.name != generator.name:
            raise HenshinError(
                f"'{called}' is of generator '{other.generator.name}', '{names[0]}' of '{generator.name}'"
            )
        shares = swap.shares(len(blocks))
        theirs = other.network.state_dict()
        for number, share in shares.items():
            whose = f"block {number} of '{names[0]}'"
            ours, new = (_of_block(state, blocks[number - 1]) for state in (tensors, theirs))
            problem = state_dict_mismatch(ours, new, whose)
            if problem:
                raise HenshinError(f"'{called}': {problem}")
            tensors.update({name: _between(ours[name], new[name], share, name in learned) for name in ours})
        parts = ", ".join(f"{number}" if share == 1 else f"{number} ({share:g})" for number, share in shares.items())
        said.append(f"blocks {parts} of {called}")
    sources = [base, *(other for _, other in swaps)]
    origins = "; ".join(f"{called}: {one.origin}" for called, one in dict(zip(names, sources, strict=True)).items())
    return replace(
        base,
        network=load_network(generator, tensors, names[0]),
        origin=f"{names[0]} with {' and '.join(said)}; {origins}",
        data="; ".join(dict.fromkeys(one.data for one in sources)),
        licence="; ".join(dict.fromkeys(one.licence for one in sources)),
    )


def _of_block(tensors: Mapping[str, Tensor], beginnings: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(beginnings)}


def _between(ours: Tensor, theirs: Tensor, share: float, learned: bool) -> Tensor:
    """What is learned moves by share; of what is not, such as fixed noise, half of each would be neither."""
    if learned and 0 < share < 1:
        return torch.lerp(ours.float(), theirs.float(), share).to(ours.dtype)
    return (theirs if share >= HALF else ours).clone()

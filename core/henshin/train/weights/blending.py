"""Blending of networks: blocks of the base network replaced by, or interpolated with, those of others.

Layer swapping (Pinkney and Adler 2020) of a generator and one that was fine-tuned from it, such as by FreezeG.
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
    """Blocks that come from another model, counted from 1, the one of 4 pixels."""

    model: str = Field(description="Whose: a model's name, a .safetensors file, or a run's folder.")
    share: float | tuple[float, ...] = Field(1.0, description="How much of the other's weights, or of each block's.")

    def shares(self, count: int) -> dict[int, float]:
        """Return {block: share} in a network of `count` blocks. Errors: HenshinError for wrong blocks or shares."""
        numbers = self.numbers(count)
        shares = self.share if isinstance(self.share, tuple) else (self.share,) * len(numbers)
        if len(shares) != len(numbers):
            raise HenshinError(
                f"{len(shares)} shares for {len(numbers)} blocks ({numbers[0]} to {numbers[-1]}); give as many, or one "
                "for all"
            )
        wrong = next((share for share in shares if not 0 <= share <= 1), None)
        if wrong is not None:
            raise HenshinError(f"share {wrong:g}: from 0 (the base) to 1 (the other) can be")
        return dict(zip(numbers, shares, strict=True))


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


class Blocks(BaseModel):
    """A base network, and the swaps of its blocks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = Field(description="The model that the rest is of, and the mapping.")
    swap: Annotated[tuple[Swap, ...], BeforeValidator(_as_list)] = Field(
        min_length=1, description="One swap, or a list of them; the later ones go on from the earlier."
    )


class BlendFile(BaseModel):
    """Content of a blend file: `blocks: {base: g, swap: {from: 3, to: 6, model: g_fin4}}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks: Blocks = Field(description="Which network, and which blocks are swapped.")


def read_blend(file: Path) -> Blocks:
    """Return the blocks of a YAML file. Errors: HenshinError with all problems, by file and line."""
    problems: list[Problem] = []
    config, wrong = validate(BlendFile, load_yaml(file, problems=problems), str(file))
    if config is None or problems:
        raise PipelineError([*problems, *wrong])
    return config.blocks


def blend_networks(
    names: Sequence[str], base: TrainedNetwork, swaps: Sequence[tuple[Swap, TrainedNetwork]]
) -> TrainedNetwork:
    """Return the base with blocks of others: learned tensors interpolated by share, others from the larger share.

    `names` are those of the base and the others, for the statement of origin.
    Errors: HenshinError when the generator has no blocks, another is of another generator, or a block's tensors do not
    fit, with the first that differs.
    """
    generator = base.generator
    blocks = generator.blocks()
    if not blocks:
        raise HenshinError(f"generator '{generator.name}' does not say what its blocks are: none can be swapped")
    tensors = {name: tensor.clone() for name, tensor in base.network.state_dict().items()}
    learned = {name for name, _ in base.network.named_parameters()}
    swapped = []
    for (swap, other), name in zip(swaps, names[1:], strict=True):
        if other.generator.name != generator.name:
            raise HenshinError(f"'{name}' is of generator '{other.generator.name}', '{names[0]}' of '{generator.name}'")
        shares = swap.shares(len(blocks))
        other_tensors = other.network.state_dict()
        for number, share in shares.items():
            owner = f"block {number} of '{names[0]}'"
            ours, theirs = (_block_tensors(state, blocks[number - 1]) for state in (tensors, other_tensors))
            problem = state_dict_mismatch(ours, theirs, owner)
            if problem:
                raise HenshinError(f"'{name}': {problem}")
            tensors.update({key: _interpolate(ours[key], theirs[key], share, key in learned) for key in ours})
        parts = ", ".join(f"{number}" if share == 1 else f"{number} ({share:g})" for number, share in shares.items())
        swapped.append(f"blocks {parts} of {name}")
    sources = [base, *(other for _, other in swaps)]
    origins = "; ".join(f"{name}: {one.origin}" for name, one in dict(zip(names, sources, strict=True)).items())
    return replace(
        base,
        network=load_network(generator, tensors, names[0]),
        origin=f"{names[0]} with {' and '.join(swapped)}; {origins}",
        data="; ".join(dict.fromkeys(one.data for one in sources)),
        licence="; ".join(dict.fromkeys(one.licence for one in sources)),
    )


def _block_tensors(tensors: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}


def _interpolate(ours: Tensor, theirs: Tensor, share: float, learned: bool) -> Tensor:
    """Interpolate learned tensors by share; of others, such as fixed noise, return that of the larger share."""
    if learned and 0 < share < 1:
        return torch.lerp(ours.float(), theirs.float(), share).to(ours.dtype)
    return (theirs if share >= HALF else ours).clone()

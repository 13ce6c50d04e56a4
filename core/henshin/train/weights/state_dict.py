"""Weights that others published, under the names that a network of ours gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from henshin.api.generator import Generator
from henshin.errors import HenshinError

PREFIXES = ("module.", "_orig_mod.")
"""Beginnings of names that DataParallel and torch.compile add."""

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def strip_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without those of `PREFIXES` with which every name begins."""
    found = dict(tensors)
    while True:
        prefix = next((p for p in PREFIXES if found and all(name.startswith(p) for name in found)), None)
        if prefix is None:
            return found
        found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}


def canonicalize_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without prefixes of all names, and without the statistics of instance norms.

    Old versions of PyTorch saved running means for instance norms too, which nothing reads: they are those that have
    no weight next to them.
    """
    found = strip_prefixes(tensors)
    affine = {name.rpartition(".")[0] for name in found if name.endswith(".weight")}
    return {
        name: tensor
        for name, tensor in found.items()
        if not (name.endswith(_STATISTICS) and name.rpartition(".")[0] not in affine)
    }


def state_dict_mismatch(expected: Mapping[str, Tensor], given: Mapping[str, Tensor], whose: str) -> str | None:
    """Where tensors differ from those that are expected, each kind of fault with names, in one line; None if nowhere.

    `whose` are those that are expected: "generator 'resnet'".
    """
    shapes = {name: (tuple(given[name].shape), tuple(expected[name].shape)) for name in given.keys() & expected.keys()}
    lacking, unknown = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    other = sorted(name for name, (theirs, ours) in shapes.items() if theirs != ours)
    faults = []
    if lacking:
        faults.append(f"lacks tensor {_named(lacking)} for {whose}")
    if unknown:
        faults.append(f"has an unknown tensor {_named(unknown)} for {whose}")
    if other:
        theirs, ours = shapes[other[0]]
        also = f"; so with {_named(other[1:])}" if other[1:] else ""
        faults.append(f"tensor '{other[0]}' is {theirs}, {whose} wants {ours}{also}")
    return "; ".join(faults) or None


def _named(names: Sequence[str], most: int = 4) -> str:
    """'a' (and 'b', 'c', 'd' and 9 more)."""
    if len(names) == 1:
        return f"'{names[0]}'"
    shown = ", ".join(f"'{name}'" for name in names[1:most])
    return f"'{names[0]}' (and {shown}{f' and {len(names) - most} more' if len(names) > most else ''})"


def layers_of(renamed: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """From the names of layers, theirs to ours, to those of the tensors that they have."""
    return {
        name: f"{renamed[layer]}.{kind}"
        for name in tensors
        for layer, _, kind in [name.rpartition(".")]
        if layer in renamed
    }


def fitted(tensors: Mapping[str, Tensor], names: Mapping[str, str], network: nn.Module) -> dict[str, Tensor] | None:
    """The tensors under our names (`names`: theirs to ours) in fp32; None unless they are just those of `network`.

    The count of batches that a batch norm has seen, which some files leave out, is taken as 0.
    """
    if names.keys() != tensors.keys():
        return None
    ours = {names[name]: tensor for name, tensor in tensors.items()}
    expected = network.state_dict()
    for name in expected:
        if name.endswith("num_batches_tracked"):
            ours.setdefault(name, torch.zeros((), dtype=torch.int64))
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in expected.items()}:
        return None
    return {name: value.to(expected[name].dtype) for name, value in ours.items()}


def load_network(generator: Generator[Any], tensors: Mapping[str, torch.Tensor], where: str) -> torch.nn.Module:
    """The network of a generator with these weights.

    Errors: HenshinError that names those that do not fit, or that hold NaN or infinity, with which nothing is drawn.
    """
    network = generator.build()
    problem = state_dict_mismatch(network.state_dict(), tensors, f"generator '{generator.name}'") or _not_finite(
        tensors
    )
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)
    return network


def _not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """What is wrong with weights that a diverged training left; parity would not tell, for NaN is drawn alike."""
    broken = [name for name, tensor in sorted(tensors.items()) if not bool(torch.isfinite(tensor).all())]
    if not broken:
        return None
    more = f", and so do {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"tensor '{broken[0]}' holds values that are not finite{more}"


def fill(network: nn.Module, tensors: dict[str, Tensor], where: str, whose: str) -> None:
    """Give a network all of its tensors. Errors: HenshinError that begins with `where` and names those that differ."""
    problem = state_dict_mismatch(network.state_dict(), tensors, whose)
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)

"""State dicts: their names, their mismatch with a network, and loading them into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from henshin.api.generator import Generator
from henshin.errors import HenshinError

PREFIXES = ("module.", "_orig_mod.")
"""Prefixes of tensor names that DataParallel and torch.compile add."""

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def strip_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without those of `PREFIXES` with which every name begins."""
    stripped = dict(tensors)
    while True:
        prefix = next((p for p in PREFIXES if stripped and all(name.startswith(p) for name in stripped)), None)
        if prefix is None:
            return stripped
        stripped = {name.removeprefix(prefix): tensor for name, tensor in stripped.items()}


def canonicalize_state_dict(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without prefixes of all names, and without the statistics of instance norms.

    Old versions of PyTorch saved running statistics for instance norms too, which are never used. They are recognised
    by having no weight next to them.
    """
    stripped = strip_prefixes(tensors)
    affine = {name.rpartition(".")[0] for name in stripped if name.endswith(".weight")}
    return {
        name: tensor
        for name, tensor in stripped.items()
        if not (name.endswith(_STATISTICS) and name.rpartition(".")[0] not in affine)
    }


def state_dict_mismatch(expected: Mapping[str, Tensor], actual: Mapping[str, Tensor], owner: str) -> str | None:
    """Return the differences of names and shapes from the expected tensors in one line, or None.

    `owner` names the owner of the expected tensors: "generator 'resnet'".
    """
    shapes = {
        name: (tuple(actual[name].shape), tuple(expected[name].shape)) for name in actual.keys() & expected.keys()
    }
    lacking, unknown = sorted(expected.keys() - actual.keys()), sorted(actual.keys() - expected.keys())
    other = sorted(name for name, (theirs, ours) in shapes.items() if theirs != ours)
    faults = []
    if lacking:
        faults.append(f"lacks tensor {_quote(lacking)} for {owner}")
    if unknown:
        faults.append(f"has an unknown tensor {_quote(unknown)} for {owner}")
    if other:
        theirs, ours = shapes[other[0]]
        also = f"; so with {_quote(other[1:])}" if other[1:] else ""
        faults.append(f"tensor '{other[0]}' is {theirs}, {owner} wants {ours}{also}")
    return "; ".join(faults) or None


def _quote(names: Sequence[str], most: int = 4) -> str:
    """Return names as a text: `'a' (and 'b', 'c', 'd' and 9 more)`."""
    if len(names) == 1:
        return f"'{names[0]}'"
    more = ", ".join(f"'{name}'" for name in names[1:most])
    return f"'{names[0]}' (and {more}{f' and {len(names) - most} more' if len(names) > most else ''})"


def rename_layers(renamed: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return names of tensors, theirs to ours, from names of layers (`renamed`: theirs to ours)."""
    return {
        name: f"{renamed[layer]}.{kind}"
        for name in tensors
        for layer, _, kind in [name.rpartition(".")]
        if layer in renamed
    }


def match_tensors(
    tensors: Mapping[str, Tensor], names: Mapping[str, str], network: nn.Module
) -> dict[str, Tensor] | None:
    """Return the tensors by our names (`names`: theirs to ours), in the types of `network`; None if they do not fit it.

    Batch norm's `num_batches_tracked`, which some files lack, is set to 0.
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
    """Return the network of a generator with these weights.

    Errors: HenshinError, beginning with `where`, that names the tensors that do not fit, or that hold NaN or infinity.
    """
    network = generator.build()
    problem = state_dict_mismatch(network.state_dict(), tensors, f"generator '{generator.name}'") or _finite_problem(
        tensors
    )
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)
    return network


def _finite_problem(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return the problem of weights with NaN or infinity, or None. The parity check does not detect them."""
    broken = [name for name, tensor in sorted(tensors.items()) if not bool(torch.isfinite(tensor).all())]
    if not broken:
        return None
    more = f", and so do {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"tensor '{broken[0]}' holds values that are not finite{more}"


def load_if_fitting(network: nn.Module, tensors: Mapping[str, Tensor] | None) -> bool:
    """Load all tensors of a network, and return whether there are any that fit it."""
    if tensors is None or state_dict_mismatch(network.state_dict(), tensors, ""):
        return False
    network.load_state_dict(tensors)
    return True


def load_tensors(network: nn.Module, tensors: dict[str, Tensor], where: str, owner: str) -> None:
    """Load all tensors of a network. Errors: HenshinError that begins with `where` and names those that differ."""
    problem = state_dict_mismatch(network.state_dict(), tensors, owner)
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)

"""From a file of published weights to a network of ours: the names and shapes of its tensors tell which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from henshin.api.generator import Generator, GeneratorRegistry
from henshin.errors import HenshinError, WrongWeightsError
from henshin.files import hash_file
from henshin.text import join_names, one_line
from henshin.train.networks import make_generator
from henshin.train.weights.state_dict import load_network
from henshin.train.weights.trained_network import UNSTATED, TrainedNetwork
from henshin.train.weights.weight_files import (
    StateDictGroup,
    check_whole,
    contract_of,
    parts,
    read_groups,
    read_safetensors,
    told,
)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line says: a generator and options in place of what was recognised, one network of several,
    and what the model shall say of itself."""

    generator: str | None = None
    options: Mapping[str, Any] | None = None
    key: str | None = None
    size: int | None = None
    description: str = ""
    origin: str = ""
    data: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A network that a generator knows: where in the file it was, the options, the tensors under our names."""

    key: str
    generator: str
    options: dict[str, Any]
    tensors: dict[str, Tensor]


def from_published(path: Path, registry: GeneratorRegistry, wanted: ImportOptions) -> TrainedNetwork:
    """The network of published weights, ready to be exported. Errors: HenshinError, with what was found."""
    contract = contract_of(path)
    groups = read_groups(path)
    check_whole(path, contract, groups[0].tensors)
    if contract is not None and contract.generator and wanted.generator is None:
        match = Match("", contract.generator, contract.config, groups[0].tensors)
    else:
        match = _match(path, groups, registry, wanted)
    generator = make_generator(registry, match.generator, {**match.options, **(wanted.options or {})})
    where = f"{path}: {match.key}" if match.key else str(path)
    said = contract.model_dump() if contract is not None else {}
    return TrainedNetwork(
        generator,
        load_network(generator, match.tensors, where),
        wanted.size or said.get("preferred_size"),
        wanted.origin or said.get("origin") or _origin(path),
        wanted.data or said.get("data") or UNSTATED,
        wanted.licence or said.get("licence") or UNSTATED,
        wanted.description or said.get("description") or "",
    )


def importable(registry: GeneratorRegistry) -> dict[str, type[Generator[Any]]]:
    """The generators that know how their weights are published."""
    own = Generator.recognise.__func__  # type: ignore[attr-defined]
    return {
        name: cls
        for name, cls in sorted(registry.generators.items())
        if getattr(cls.recognise, "__func__", cls.recognise) is not own
    }


def _match(path: Path, groups: list[StateDictGroup], registry: GeneratorRegistry, wanted: ImportOptions) -> Match:
    """The one network of the file that one generator knows, or the one that was asked for."""
    if wanted.generator is not None:
        registry.generator(wanted.generator)
    known = importable(registry)
    asked = {wanted.generator: known[wanted.generator]} if wanted.generator in known else {}
    candidates = known if wanted.generator is None else asked
    near: list[WrongWeightsError] = []
    chosen, found = _found(groups, candidates, wanted.key, near)
    if not chosen:
        keys = [one.key for one in groups if one.key] or [one.key for group in groups for one in parts(group)]
        raise HenshinError(f"{path}: has nothing under the key '{wanted.key}'; there are: {join_names(keys)}")
    if len(found) == 1:
        return found[0]
    if found:
        raise HenshinError(f"{path}: {_ambiguous(found)}")
    if near:
        raise WrongWeightsError(f"{path}: {near[0]}")
    if wanted.generator is not None:  # under our own names, perhaps: what does not fit is then told by its name
        return Match(chosen[0].key, wanted.generator, {}, chosen[0].tensors)
    layouts = f"known layouts: {join_names(known)}" if known else "no generator here knows a layout"
    several = f" ({len(chosen)} networks in it: {join_names(group.key or '(whole)' for group in chosen)})"
    raise HenshinError(
        f"{path}: no generator knows these {told(chosen[0].tensors)}{several if len(chosen) > 1 else ''}; {layouts}; "
        "weights under our own names want --generator NAME"
    )


def _found(
    groups: list[StateDictGroup],
    candidates: Mapping[str, type[Generator[Any]]],
    key: str | None,
    near: list[WrongWeightsError],
) -> tuple[list[StateDictGroup], list[Match]]:
    """(the groups that come into question, what the generators say of them); parts are asked when no whole is known.

    What generators say of weights that are almost theirs is added to `near`.
    """
    levels = (groups, [part for group in groups for part in parts(group)])
    chosen: list[StateDictGroup] = []
    for level in levels:
        here = [group for group in level if key is None or group.key == key]
        found = _averaged([match for group in here for match in _answers(group, candidates, near)])
        chosen = chosen or here
        if found:
            return here, found
    return chosen, []


def _averaged(found: list[Match]) -> list[Match]:
    """Of a network and its running average (`g` and `g_ema`) only the average, which is the one that is used."""
    keys = {match.key for match in found}
    return [match for match in found if f"{match.key}_ema" not in keys]


def _answers(
    group: StateDictGroup, candidates: Mapping[str, type[Generator[Any]]], near: list[WrongWeightsError]
) -> Iterator[Match]:
    for name, cls in candidates.items():
        answer = None
        if group.beside:
            with suppress(WrongWeightsError):  # what is wrong with the network is told without what lies beside it
                answer = _answer(name, cls, {**group.beside, **group.tensors})
        try:
            answer = answer or _answer(name, cls, group.tensors)
        except WrongWeightsError as error:
            near.append(error)
        if answer is not None:
            yield Match(group.key, name, *answer)


def _answer(
    name: str, cls: type[Generator[Any]], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    try:
        return cls.recognise(tensors)
    except WrongWeightsError:
        raise
    except Exception as error:  # a stranger's method that breaks must not look like a fault of the file
        raise HenshinError(f"generator '{name}' failed to look at the weights: {one_line(error)}") from error


def _ambiguous(found: list[Match]) -> str:
    keys = sorted({match.key for match in found})
    if len(keys) > 1:
        return f"holds {len(keys)} networks that are known; choose one: --key {' or --key '.join(keys)}"
    names = sorted(match.generator for match in found)
    return f"{' and '.join(names)} both know this layout; choose one: --generator {names[0]}"


def _origin(path: Path) -> str:
    return f"weights of {path.name}" + ("" if path.is_dir() else f", sha256 {hash_file(path)}")


def from_weights(
    name: str,
    options: dict[str, Any],
    file: Path,
    registry: GeneratorRegistry,
    size: int | None,
    data: str,
    licence: str,
) -> TrainedNetwork:
    """A generator by its name with weights from a safetensors file. Errors: HenshinError."""
    generator = make_generator(registry, name, options)
    return TrainedNetwork(
        generator,
        load_network(generator, read_safetensors(file), str(file)),
        size,
        f"weights of {file.name}",
        data or UNSTATED,
        licence or UNSTATED,
    )

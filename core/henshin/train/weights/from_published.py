"""Import of published weights: the generator and its options are recognised by the tensors' names and shapes."""

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
    check_hash,
    read_contract,
    read_groups,
    read_safetensors,
    split_by_prefix,
    summarize_tensors,
)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import, and the statements of the model's contract.

    `generator` and `options` are used in place of the recognised ones; `key` selects one network of several.
    """

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
    """A network that a generator recognised: its key in the file, its options, its tensors by our names."""

    key: str
    generator: str
    options: dict[str, Any]
    tensors: dict[str, Tensor]


def from_published(path: Path, registry: GeneratorRegistry, options: ImportOptions) -> TrainedNetwork:
    """Return the network of published weights, ready for export. Errors: HenshinError for unknown or wrong weights."""
    contract = read_contract(path)
    groups = read_groups(path)
    check_hash(path, contract, groups[0].tensors)
    if contract is not None and contract.generator and options.generator is None:
        match = Match("", contract.generator, contract.config, groups[0].tensors)
    else:
        match = _match(path, groups, registry, options)
    generator = make_generator(registry, match.generator, {**match.options, **(options.options or {})})
    where = f"{path}: {match.key}" if match.key else str(path)
    stated = contract.model_dump() if contract is not None else {}
    return TrainedNetwork(
        generator,
        load_network(generator, match.tensors, where),
        options.size or stated.get("preferred_size"),
        options.origin or stated.get("origin") or _origin(path),
        options.data or stated.get("data") or UNSTATED,
        options.licence or stated.get("licence") or UNSTATED,
        options.description or stated.get("description") or "",
    )


def importable(registry: GeneratorRegistry) -> dict[str, type[Generator[Any]]]:
    """Return the generators that recognise published weights, by name."""
    own = Generator.recognise.__func__  # type: ignore[attr-defined]
    return {
        name: cls
        for name, cls in sorted(registry.generators.items())
        if getattr(cls.recognise, "__func__", cls.recognise) is not own
    }


def _match(path: Path, groups: list[StateDictGroup], registry: GeneratorRegistry, options: ImportOptions) -> Match:
    """Return the one network of the file that a generator recognises. Errors: HenshinError for none or several."""
    if options.generator is not None:
        registry.generator(options.generator)
    known = importable(registry)
    candidates = known if options.generator is None else {k: v for k, v in known.items() if k == options.generator}
    near_misses: list[WrongWeightsError] = []
    chosen, matches = _find_matches(groups, candidates, options.key, near_misses)
    if not chosen:
        keys = [one.key for one in groups if one.key] or [one.key for group in groups for one in split_by_prefix(group)]
        raise HenshinError(f"{path}: has nothing under the key '{options.key}'; there are: {join_names(keys)}")
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise HenshinError(f"{path}: {_ambiguity(matches)}")
    if near_misses:
        raise WrongWeightsError(f"{path}: {near_misses[0]}")
    if options.generator is not None:  # perhaps by our own names; loading reports those that do not fit
        return Match(chosen[0].key, options.generator, {}, chosen[0].tensors)
    layouts = f"known layouts: {join_names(known)}" if known else "no generator here knows a layout"
    content = summarize_tensors(chosen[0].tensors)
    if len(chosen) > 1:
        content += f" ({len(chosen)} networks in it: {join_names(group.key or '(whole)' for group in chosen)})"
    raise HenshinError(
        f"{path}: no generator knows these {content}; {layouts}; weights under our own names want --generator NAME"
    )


def _find_matches(
    groups: list[StateDictGroup],
    candidates: Mapping[str, type[Generator[Any]]],
    key: str | None,
    near_misses: list[WrongWeightsError],
) -> tuple[list[StateDictGroup], list[Match]]:
    """Return (the groups with this key, their matches); groups are split by prefix where none is recognised whole.

    Errors of generators about weights that are almost theirs are added to `near_misses`.
    """
    levels = (groups, [part for group in groups for part in split_by_prefix(group)])
    chosen: list[StateDictGroup] = []
    for level in levels:
        with_key = [group for group in level if key is None or group.key == key]
        matches = _prefer_averages(
            [match for group in with_key for match in _matches_of(group, candidates, near_misses)]
        )
        chosen = chosen or with_key
        if matches:
            return with_key, matches
    return chosen, []


def _prefer_averages(matches: list[Match]) -> list[Match]:
    """Leave out networks whose running average (`g_ema` of `g`) is there too: inference uses the average."""
    keys = {match.key for match in matches}
    return [match for match in matches if f"{match.key}_ema" not in keys]


def _matches_of(
    group: StateDictGroup, candidates: Mapping[str, type[Generator[Any]]], near_misses: list[WrongWeightsError]
) -> Iterator[Match]:
    for name, cls in candidates.items():
        recognised = None
        if group.siblings:
            with suppress(WrongWeightsError):  # errors are those of the network without its siblings
                recognised = _recognise(name, cls, {**group.siblings, **group.tensors})
        try:
            recognised = recognised or _recognise(name, cls, group.tensors)
        except WrongWeightsError as error:
            near_misses.append(error)
        if recognised is not None:
            yield Match(group.key, name, *recognised)


def _recognise(
    name: str, cls: type[Generator[Any]], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    try:
        return cls.recognise(tensors)
    except WrongWeightsError:
        raise
    except Exception as error:  # an error of a plugin must not look like one of the file
        raise HenshinError(f"generator '{name}' failed to look at the weights: {one_line(error)}") from error


def _ambiguity(matches: list[Match]) -> str:
    keys = sorted({match.key for match in matches})
    if len(keys) > 1:
        return f"holds {len(keys)} networks that are known; choose one: --key {' or --key '.join(keys)}"
    names = sorted(match.generator for match in matches)
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
    """Return a generator by its name with weights from a safetensors file. Errors: HenshinError."""
    generator = make_generator(registry, name, options)
    return TrainedNetwork(
        generator,
        load_network(generator, read_safetensors(file), str(file)),
        size,
        f"weights of {file.name}",
        data or UNSTATED,
        licence or UNSTATED,
    )

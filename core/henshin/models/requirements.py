"""Requirements of options on models: present, of the right kind, enlarging."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from henshin.config.options import ANY_MODEL, ModelOption
from henshin.errors import HenshinError, WrongModelError
from henshin.models.catalogue import list_models
from henshin.models.store import HALVES, ModelStore, names_of_pairs
from henshin.models.trained_weights import find_trained_weights, list_weight_files
from henshin.text import join_names, with_article

if TYPE_CHECKING:
    from collections.abc import Iterable

    from henshin.models.contract import Contract


def model_problem(
    store: ModelStore, name: str, base: Path | None = None, option: ModelOption = ANY_MODEL
) -> HenshinError | None:
    """Return why a model cannot be the value of an option, or None. Loads neither the network nor ONNX Runtime.

    MissingError: it is not on this machine, or its file is damaged. WrongModelError: its file may not be read, or the
    model does not meet the requirement; the message names the suitable models.
    """
    try:
        weights = find_trained_weights(name, base) if option.trained else None
        if weights is not None:
            list_weight_files(weights)
            return None
        if not store.knows(name):
            return store.unknown_model_error(name, suitable_models(store, option))
        entry = store.entries.get(name)
        if entry is not None and entry.kind == "detector":
            problem = requirement_problem(name, "detector", None, option)
        elif option.contract:
            halves = store.halves(name, base)
            models = [store.find(_name_for_kind(name, halves, option), base)] if halves else store.family(name, base)
            problems = (requirement_problem(one.name, one.contract.kind, one.contract, option) for one in models)
            problem = next(filter(None, problems), None)
        else:
            contract = store.contract(name, base)
            problem = None if contract is None else requirement_problem(name, contract.kind, contract, option)
        if problem is None and not option.contract:
            store.file(name, base)
    except HenshinError as error:
        return error
    return None if problem is None else WrongModelError(f"{problem}{_choices_hint(suitable_models(store, option))}")


def requirement_problem(name: str, kind: str, contract: Contract | None, option: ModelOption) -> str | None:
    """Return why a model of this kind does not meet the requirement of an option, or None."""
    if option.kind is not None and option.kind != kind:
        return f"'{name}' is {with_article(kind)}, and {with_article(option.kind)} is wanted"
    if option.enlarges and contract is not None and contract.scale == 1:
        return f"'{name}' keeps the size of pictures, and a model that enlarges them is wanted"
    return None


def scale_problem(store: ModelStore, name: str, scale: float, base: Path | None = None) -> WrongModelError | None:
    """Return why a model cannot enlarge pictures ``scale`` times, with the scales it has, or None.

    A scale below those of the model is allowed: the result is reduced. Errors: those of ``ModelStore.find``, for a
    path.
    """
    scales = list(store.scales(name, base))
    if not scales or scale <= max(scales):
        return None
    *others, last = sorted(scales)
    offered = f"{', '.join(map(str, others))} or {last}" if others else str(last)
    return WrongModelError(f"'{name}' enlarges {offered} times, not {scale:g} times")


def suitable_models(store: ModelStore, option: ModelOption) -> list[str]:
    """Return the sorted names of the models, on this machine or for download, that an option accepts."""
    entries = [entry for entry in list_models(store) if entry.problem is None]
    names = [one.name for one in entries if requirement_problem(one.name, one.kind, one.contract, option) is None]
    if option.kind in ("sampler", *HALVES):
        pairs = names_of_pairs(entry.name for entry in entries)
        halves = {f"{name}-{option.kind}" for name in pairs}
        names = [name for name in names if name not in halves] + pairs
    return sorted(names)


def _name_for_kind(name: str, halves: tuple[str, ...], option: ModelOption) -> str:
    """Return the name of the half of a pair that an option accepts, or the pair's own name for both as a sampler."""
    return halves[HALVES.index(option.kind)] if option.kind in HALVES else name


def _choices_hint(names: Iterable[str]) -> str:
    names = list(names)
    return f"; there are: {join_names(names)}" if names else "; there are none"

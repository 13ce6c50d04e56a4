"""Whether a model is what an option wants: at hand, of the right kind, one that enlarges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from henshin.config.options import ANY_MODEL, ModelOption
from henshin.errors import HenshinError, WrongModelError
from henshin.models.catalogue import list_models
from henshin.models.store import HALVES, names_of_pairs
from henshin.models.trained_weights import find_trained_weights, list_weight_files
from henshin.text import join_names, with_article

if TYPE_CHECKING:
    from collections.abc import Iterable

    from henshin.models.catalogue import list_models
    from henshin.models.contract import Contract
from henshin.models.store import ModelStore


def model_problem(
    store: ModelStore, name: str, base: Path | None = None, option: ModelOption = ANY_MODEL
) -> HenshinError | None:
    """Return why a model cannot be the value of an option, or None. Loads neither the network nor ONNX Runtime.

    MissingError: it is not at hand, or its file is unsound. WrongModelError: it may not be looked at, or is no such
    model as is wanted. Those that would be right are named.
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
            wrong = requirement_problem(name, "detector", None, option)
        elif option.contract:
            halves = store.halves(name, base)
            founds = [store.find(_name_for_kind(name, halves, option), base)] if halves else store.family(name, base)
            contracts = [(found.name, found.contract) for found in founds]
            wrong = next(
                filter(None, (requirement_problem(full, own.kind, own, option) for full, own in contracts)), None
            )
        else:
            own = store.contract(name, base)
            wrong = None if own is None else requirement_problem(name, own.kind, own, option)
        if wrong is None and not option.contract:
            store.file(name, base)
    except HenshinError as error:
        return error
    return None if wrong is None else WrongModelError(f"{wrong}{_choices_hint(suitable_models(store, option))}")


def requirement_problem(name: str, kind: str, contract: Contract | None, option: ModelOption) -> str | None:
    """Say what a model of this kind is and what is wanted instead, or None if it will do."""
    if option.kind is not None and option.kind != kind:
        return f"'{name}' is {with_article(kind)}, and {with_article(option.kind)} is wanted"
    if option.enlarges and contract is not None and contract.scale == 1:
        return f"'{name}' keeps the size of pictures, and a model that enlarges them is wanted"
    return None


def scale_problem(store: ModelStore, name: str, scale: float, base: Path | None = None) -> WrongModelError | None:
    """Return why a model cannot enlarge pictures ``scale`` times, with what it can, or None.

    Less than it does is no problem: its result is reduced. Errors: those of ``ModelStore.find``, for a path.
    """
    scales = list(store.scales(name, base))
    if not scales or scale <= max(scales):
        return None
    *others, last = sorted(scales)
    offered = f"{', '.join(map(str, others))} or {last}" if others else str(last)
    return WrongModelError(f"'{name}' enlarges {offered} times, not {scale:g} times")


def suitable_models(store: ModelStore, option: ModelOption) -> list[str]:
    """Return the names of the models, here or for download, that an option takes."""
    sound = [one for one in list_models(store) if one.problem is None]
    fit = [one.name for one in sound if requirement_problem(one.name, one.kind, one.contract, option) is None]
    if option.kind in ("sampler", *HALVES):
        pairs = names_of_pairs(one.name for one in sound)
        halves = {f"{name}-{option.kind}" for name in pairs}
        fit = [name for name in fit if name not in halves] + pairs
    return sorted(fit)


def _name_for_kind(name: str, halves: tuple[str, ...], option: ModelOption) -> str:
    """Return which of the models that NAME stands for an option takes: one half, or both as a sampler."""
    return halves[HALVES.index(option.kind)] if option.kind in HALVES else name


def _choices_hint(names: Iterable[str]) -> str:
    names = list(names)
    return f"; there are: {join_names(names)}" if names else "; there are none"

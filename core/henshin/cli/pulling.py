"""`henshin models pull` of weights that others published: fetched, checked, imported, and not kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import HenshinError

if TYPE_CHECKING:
    from henshin.models import Weights


def pull_weights(weights: Weights, folder: Path, force: bool) -> None:
    """Make the models of listed weights in ``folder``, and say so; those that are there from the same file stay.

    Errors: MissingError without torch, without the network or its address; HenshinError when another model has one of
    the names and ``force`` is not set, or what came is not what is listed. Nothing is written then.
    """
    from henshin.cli.base import registry_with, say
    from henshin.cli.train import need_training

    paths = [folder / f"{name}.onnx" for name in weights.models]
    own = [path for path in paths if _is_from(path, weights)]
    if len(own) == len(paths) and not force:
        for path in paths:
            say(f"{path.stem}: {path}", err=False)
        return
    taken = [str(path) for path in paths if path.exists() and path not in own]
    if taken and not force:
        raise HenshinError(f"{', '.join(taken)}: another file has this name; --force replaces it")
    need_training(what=f"'{weights.name}' is made from weights for PyTorch by henshin import, which needs")
    registry = registry_with(())
    from henshin.cli.exporting import tell_of, write_models
    from henshin.cli.importing import network_of
    from henshin.models.download import fetch
    from henshin.train.family import members
    from henshin.train.importing import Wanted, from_published

    with tempfile.TemporaryDirectory() as side:
        file = Path(side) / weights.file
        fetch(weights, file, instead=f"with a copy that you have: henshin import {weights.file} --name {weights.name}")
        origin = f"{weights.run} " if weights.run else ""
        wanted = Wanted(
            description=weights.description,
            origin=f"{origin}{_mark(weights)}",
            data=weights.data,
            licence=weights.licence,
        )
        source = from_published(file, registry, wanted)
        gives = [weights.name + suffix for suffix in members(source)]
        if sorted(gives) != sorted(weights.models):
            raise HenshinError(f"{weights.name}: {weights.url} gives {', '.join(gives)}, not what its list says")
        written = write_models(source, weights.name, folder, [], force=True, fp16=False, keep_weights=False)
    tell_of(written, f"imported ({network_of(source)})")


def _mark(weights: Weights) -> str:
    return f"{weights.url}, sha256 {weights.sha256}"


def _is_from(path: Path, weights: Weights) -> bool:
    """Whether a file is a model that was made from these weights: it says so itself."""
    from henshin.models import read_contract

    try:
        contract = read_contract(path) if path.is_file() else None
    except HenshinError:
        return False
    return contract is not None and weights.sha256 in contract.origin

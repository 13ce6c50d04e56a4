"""What `henshin export` does: where the network comes from, where the model goes, and on what it is checked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.models import Weights
    from henshin.train.export import WrittenModel
    from henshin.train.weights.trained_network import TrainedNetwork


def tell_of(written: Sequence[WrittenModel], done: str) -> None:
    """Print a line for each model, and of several what their common name is good for."""
    from henshin.cli.base import say

    for one in written:
        say(f"{one.path}: {done}, and draws as PyTorch does: {one.parity}", err=False)
    if len(written) < 2:
        return
    plain, _, _ = written[0].path.stem.rpartition("-")
    if written[0].contract.part:
        whole = written[0].path.with_name(f"{plain}.safetensors")
        say(f"model: {plain} is both, a sampler; {whole} holds their weights for what rebuilds them", err=False)
    else:
        say(f"model: {plain} takes of these {len(written)} the smallest scale that suffices", err=False)


def options_of(overrides: tuple[str, ...]) -> dict[str, Any]:
    """What `--set` says of a generator: {option: value}. Errors: HenshinError for what is not of that form."""
    from henshin.config.overrides import parse_override
    from henshin.config.yaml_reader import to_python

    options: dict[str, Any] = {}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) != 1:
            raise HenshinError(f"'{text}' is not of the form option=value")
        options[path[0]] = to_python(value)
    return options


def pictures_below(folder: Path) -> list[Any]:
    """Some pictures of a folder, for the parity check. Errors: HenshinError when there are none."""
    from henshin.engine.preparation.input_files import list_inputs
    from henshin.train.export.parity import pictures_of

    found = pictures_of([source.path for source in list_inputs([folder], None).sources[:3]])
    if not found:
        raise HenshinError(f"--pictures {folder}: no pictures there")
    return found


def pull_weights(weights: Weights, folder: Path, force: bool) -> None:
    """Make the models of listed weights in ``folder``, and say so; those that are there from the same file stay.

    Errors: MissingError without torch, without the network or its address; HenshinError when another model has one of
    the names and ``force`` is not set, or what came is not what is listed. Nothing is written then.
    """
    from henshin.cli.base import registry_with, say
    from henshin.cli.options import need_training

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
    from henshin.models.download import fetch
    from henshin.train.export import export_targets
    from henshin.train.export.models import write_models
    from henshin.train.weights.from_published import ImportOptions, from_published

    with tempfile.TemporaryDirectory() as side:
        file = Path(side) / weights.file
        fetch(weights, file, instead=f"with a copy that you have: henshin import {weights.file} --name {weights.name}")
        origin = f"{weights.run} " if weights.run else ""
        wanted = ImportOptions(
            description=weights.description,
            origin=f"{origin}{_mark(weights)}",
            data=weights.data,
            licence=weights.licence,
        )
        source = from_published(file, registry, wanted)
        gives = [weights.name + suffix for suffix in export_targets(source)]
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


def network_of(source: TrainedNetwork) -> str:
    """Say which network it is: the generator, and its options where they are not the usual ones."""
    changed = source.generator.config.model_dump(exclude_defaults=True)
    return "".join([source.generator.name, *(f", {key}: {value}" for key, value in changed.items())])

"""Models of one network: one for each of its scales and parts, all written or none."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from henshin.errors import HenshinError
from henshin.files import hash_file, is_checkout, user_folder
from henshin.images.measures.spectra import Pattern
from henshin.models import INDEX_NAME, Contract, IndexEntry, add_to_index
from henshin.text import join_names, name_problem
from henshin.train.export.exporter import CheckedModel, export_checked, install
from henshin.train.export.parity import Parity
from henshin.train.export.storage import Storage
from henshin.train.networks import make_generator_of
from henshin.train.weights.state_dict import load_network
from henshin.train.weights.trained_network import TrainedNetwork


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """A model that was written: its path, contract, difference from PyTorch, and the patterns in what it draws."""

    path: Path
    contract: Contract
    parity: Parity
    patterns: Sequence[Pattern] = ()


def export_targets(source: TrainedNetwork) -> dict[str, TrainedNetwork]:
    """Return the networks of a network's models, by the suffixes of their names.

    They are the members of `Generator.family`; of a network with several parts (`Generator.parts`), "-mapping" and
    "-synthesis", which share the whole network. A member has those tensors of the whole that its own options need.
    Errors: HenshinError when an option of a member is wrong, or the whole network lacks one of its tensors.
    """
    generator, tensors = source.generator, source.network.state_dict()
    members: dict[str, TrainedNetwork] = {}
    for suffix, options in generator.family().items():
        if not options:
            members[suffix] = source
            continue
        own = make_generator_of(type(generator), {**generator.config.model_dump(mode="json"), **options})
        names = own.build().state_dict().keys()
        subset = {name: tensor for name, tensor in tensors.items() if name in names}
        where = f"family() of generator '{generator.name}', '{suffix}'"
        members[suffix] = replace(source, generator=own, network=load_network(own, subset, where))
    if not members:
        raise HenshinError(f"generator '{generator.name}': its family() names no model")
    return {
        f"{suffix}-{part}" if part else suffix: replace(one, part=part)
        for suffix, one in members.items()
        for part in one.generator.parts(one.network)
    }


def export_and_install(
    sources: Mapping[Path, TrainedNetwork],
    pictures: Sequence[np.ndarray],
    *,
    storage: Storage = "fp32",
    weights: bool = False,
) -> list[WrittenModel]:
    """Export each network to its path, all or none, and add them to the index of their folder where it has one.

    Errors: those of `henshin.train.export.exporter.export`; HenshinError when they cannot be written or added.
    """
    with tempfile.TemporaryDirectory() as folder:
        models = {
            path: export_checked(source, path.stem, Path(folder) / f"{number}.onnx", pictures, storage)
            for number, (path, source) in enumerate(sources.items())
        }
        install(models, weights, lambda: _add_to_indexes(models))
    return [WrittenModel(path, one.contract, one.parity, one.patterns) for path, one in models.items()]


def _add_to_indexes(models: Mapping[Path, CheckedModel]) -> None:
    """Add models to the indexes of their folders, with sizes and hashes."""
    for folder in dict.fromkeys(path.parent for path in models):
        if (folder / INDEX_NAME).is_file():
            add_to_index(folder, [_index_entry(path, one) for path, one in models.items() if path.parent == folder])


def _index_entry(path: Path, model: CheckedModel) -> IndexEntry:
    return IndexEntry(
        name=path.stem,
        file=path.name,
        sha256=hash_file(model.file),
        size=model.file.stat().st_size,
        kind=model.contract.kind,
        description=model.contract.description,
        run=model.contract.origin,
        data=model.contract.data,
        licence=model.contract.licence,
    )


def check_name(name: str | None) -> None:
    """Check the name of a model; None is no name yet. Errors: HenshinError for an invalid one."""
    problem = None if name is None else name_problem(name)
    if problem:
        raise HenshinError(f"'{name}' {problem}")


def write_models(
    source: TrainedNetwork,
    name: str,
    folder: Path,
    pictures: list[Any],
    *,
    force: bool,
    storage: Storage,
    keep_weights: bool,
) -> list[WrittenModel]:
    """Export the models of a network, NAME or NAME-x2, NAME-mapping, ..., all or none, and add them to the index.

    Errors: HenshinError for an invalid name, or one in use without ``force``; those of ``export_and_install``.
    """
    check_name(name)
    sources = export_targets(source)
    paths = free_paths(name, list(sources), folder, force)
    return export_and_install(
        dict(zip(paths, sources.values(), strict=True)), pictures, storage=storage, weights=keep_weights
    )


def free_paths(name: str, suffixes: Sequence[str], folder: Path, force: bool) -> list[Path]:
    """Return the paths of the models of this name. Errors: HenshinError when one exists already, without ``force``.

    The name of a network of one scale may contain its suffix: both NAME and NAME-x2 become NAME-x2.
    """
    if len(suffixes) == 1:
        name = name.removesuffix(suffixes[0])
    paths = [folder / f"{name}{suffix}.onnx" for suffix in suffixes]
    plain = folder / f"{name}.onnx"
    existing = [path for path in paths if path.exists()]
    if existing and (not force or any(path.is_dir() for path in existing)):
        also = f"; so are {join_names(path.name for path in existing[1:])}" if existing[1:] else ""
        raise HenshinError(
            f"{existing[0]}: a model of this name is there already{also}; give another --name, or --force"
        )
    if plain not in paths and plain.exists():
        raise HenshinError(
            f"{plain}: is there, and '{name}' would go on to mean it and not {paths[0].name}; give another --name"
        )
    return paths


def default_folder() -> Path:
    """Return `./exported` inside a checkout of the project, else the user's folder of models."""
    return Path("exported") if is_checkout(Path()) else user_folder()

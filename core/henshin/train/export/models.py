"""The models of one network: usually one, of several scales or parts one for each; all are written, or none."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from henshin.errors import HenshinError
from henshin.files import hash_file, is_checkout, user_folder
from henshin.models import INDEX_NAME, Contract, IndexEntry, add_to_index
from henshin.text import join_names, name_problem
from henshin.train.export.exporter import CheckedModel, export_checked, install
from henshin.train.export.parity import Parity
from henshin.train.networks import make_generator_of
from henshin.train.weights.state_dict import load_network
from henshin.train.weights.trained_network import TrainedNetwork


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """A model that was written: where, what it says of itself, and how far it is from PyTorch."""

    path: Path
    contract: Contract
    parity: Parity


def export_targets(source: TrainedNetwork) -> dict[str, TrainedNetwork]:
    """The models that a network gives, by the ends of their names: each a source of its own.

    They are those of `Generator.family`; of one with several parts (`Generator.parts`) "-mapping" and "-synthesis",
    which share the whole network. A member of a family has the tensors that a network with its options wants, out of
    those of the whole.
    Errors: HenshinError when an option of a member is wrong, or the whole network lacks one of its tensors.
    """
    generator, tensors = source.generator, source.network.state_dict()
    found: dict[str, TrainedNetwork] = {}
    for suffix, options in generator.family().items():
        if not options:
            found[suffix] = source
            continue
        own = make_generator_of(type(generator), {**generator.config.model_dump(mode="json"), **options})
        wanted = own.build().state_dict().keys()
        chosen = {name: tensor for name, tensor in tensors.items() if name in wanted}
        where = f"family() of generator '{generator.name}', '{suffix}'"
        found[suffix] = replace(source, generator=own, network=load_network(own, chosen, where))
    if not found:
        raise HenshinError(f"generator '{generator.name}': its family() names no model")
    return {
        f"{suffix}-{part}" if part else suffix: replace(one, part=part)
        for suffix, one in found.items()
        for part in one.generator.parts(one.network)
    }


def write_all(
    sources: Mapping[Path, TrainedNetwork], pictures: Sequence[np.ndarray], *, fp16: bool = False, weights: bool = False
) -> list[WrittenModel]:
    """Export each source to its path, into the list of its folder too where there is one; all of them or none.

    Errors: those of `henshin.train.export.exporter.export`; HenshinError when they cannot be written or listed.
    """
    with tempfile.TemporaryDirectory() as side:
        made = {
            path: export_checked(source, path.stem, Path(side) / f"{number}.onnx", pictures, fp16)
            for number, (path, source) in enumerate(sources.items())
        }
        install(made, weights, lambda: _enter(made))
    return [WrittenModel(path, one.contract, one.parity) for path, one in made.items()]


def _enter(made: Mapping[Path, CheckedModel]) -> None:
    """Put models into the lists of their folders, with sizes and hashes."""
    for folder in dict.fromkeys(path.parent for path in made):
        if (folder / INDEX_NAME).is_file():
            add_to_index(folder, [_entry(path, one) for path, one in made.items() if path.parent == folder])


def _entry(path: Path, made: CheckedModel) -> IndexEntry:
    return IndexEntry(
        name=path.stem,
        file=path.name,
        sha256=hash_file(made.file),
        size=made.file.stat().st_size,
        kind=made.contract.kind,
        description=made.contract.description,
        run=made.contract.origin,
        data=made.contract.data,
        licence=made.contract.licence,
    )


def check_name(name: str | None) -> None:
    """Say what is wrong with a name that is given, before any work. Errors: HenshinError."""
    problem = None if name is None else name_problem(name)
    if problem:
        raise HenshinError(f"'{name}' {problem}")


def write_models(
    source: TrainedNetwork, name: str, folder: Path, shown: list[Any], *, force: bool, fp16: bool, keep_weights: bool
) -> list[WrittenModel]:
    """Export what a network gives, NAME or NAME-x2, NAME-mapping, ..., all or none, enter it into the folder's list.

    Errors: HenshinError for a name that is none, or taken without ``force``; those of ``family.write_all``.
    """

    check_name(name)
    sources = export_targets(source)
    paths = free_paths(name, list(sources), folder, force)
    chosen = dict(zip(paths, sources.values(), strict=True))
    return write_all(chosen, shown, fp16=fp16, weights=keep_weights)


def free_paths(name: str, suffixes: Sequence[str], folder: Path, force: bool) -> list[Path]:
    """Where the models of this name go. Errors: HenshinError when one is there already, without ``force``.

    Of a network of one scale the name may say so itself: both NAME and NAME-x2 give NAME-x2.
    """
    if len(suffixes) == 1:
        name = name.removesuffix(suffixes[0])
    paths = [folder / f"{name}{suffix}.onnx" for suffix in suffixes]
    plain = folder / f"{name}.onnx"
    taken = [path for path in paths if path.exists()]
    if taken and (not force or any(path.is_dir() for path in taken)):
        also = f"; so are {join_names(path.name for path in taken[1:])}" if taken[1:] else ""
        raise HenshinError(f"{taken[0]}: a model of this name is there already{also}; give another --name, or --force")
    if plain not in paths and plain.exists():
        raise HenshinError(
            f"{plain}: is there, and '{name}' would go on to mean it and not {paths[0].name}; give another --name"
        )
    return paths


def default_folder() -> Path:
    """`./exported` inside a checkout of the project, else the user's folder of models."""
    return Path("exported") if is_checkout(Path()) else user_folder()

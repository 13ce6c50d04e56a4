"""The models of one network: usually one, of several scales or parts one for each; all are written, or none."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from henshin.engine.record.manifest import hash_file
from henshin.errors import HenshinError
from henshin.models import INDEX_NAME, Contract, Entry, list_models
from henshin.train.export.exporter import Made, Source, make, place
from henshin.train.export.parity import Parity
from henshin.train.networks import make_generator_of
from henshin.train.weights.from_run import loaded


@dataclass(frozen=True, slots=True)
class Written:
    """A model that was written: where, what it says of itself, and how far it is from PyTorch."""

    path: Path
    contract: Contract
    parity: Parity


def members(source: Source) -> dict[str, Source]:
    """The models that a network gives, by the ends of their names: each a source of its own.

    They are those of `Generator.family`; of one with several parts (`Generator.parts`) "-mapping" and "-synthesis",
    which share the whole network. A member of a family has the tensors that a network with its options wants, out of
    those of the whole.
    Errors: HenshinError when an option of a member is wrong, or the whole network lacks one of its tensors.
    """
    generator, tensors = source.generator, source.network.state_dict()
    found: dict[str, Source] = {}
    for suffix, options in generator.family().items():
        if not options:
            found[suffix] = source
            continue
        own = make_generator_of(type(generator), {**generator.config.model_dump(mode="json"), **options})
        wanted = own.build().state_dict().keys()
        chosen = {name: tensor for name, tensor in tensors.items() if name in wanted}
        where = f"family() of generator '{generator.name}', '{suffix}'"
        found[suffix] = replace(source, generator=own, network=loaded(own, chosen, where))
    if not found:
        raise HenshinError(f"generator '{generator.name}': its family() names no model")
    return {
        f"{suffix}-{part}" if part else suffix: replace(one, part=part)
        for suffix, one in found.items()
        for part in one.generator.parts(one.network)
    }


def write_all(
    sources: Mapping[Path, Source], pictures: Sequence[np.ndarray], *, fp16: bool = False, weights: bool = False
) -> list[Written]:
    """Export each source to its path, into the list of its folder too where there is one; all of them or none.

    Errors: those of `henshin.train.export.exporter.export`; HenshinError when they cannot be written or listed.
    """
    with tempfile.TemporaryDirectory() as side:
        made = {
            path: make(source, path.stem, Path(side) / f"{number}.onnx", pictures, fp16)
            for number, (path, source) in enumerate(sources.items())
        }
        place(made, weights, lambda: _enter(made))
    return [Written(path, one.contract, one.parity) for path, one in made.items()]


def _enter(made: Mapping[Path, Made]) -> None:
    """Put models into the lists of their folders, with sizes and hashes."""
    for folder in dict.fromkeys(path.parent for path in made):
        if (folder / INDEX_NAME).is_file():
            list_models(folder, [_entry(path, one) for path, one in made.items() if path.parent == folder])


def _entry(path: Path, made: Made) -> Entry:
    return Entry(
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

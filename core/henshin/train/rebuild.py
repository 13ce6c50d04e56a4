"""Networks built again from what was trained or exported, for whatever needs their gradients or their weights."""

from __future__ import annotations

from pathlib import Path

from henshin.errors import HenshinError, MissingError
from henshin.models import ModelStore
from henshin.models.trained import SUFFIX, trained_at
from henshin.registry import Registry
from henshin.train.export import Source
from henshin.train.importing import Wanted, from_published
from henshin.train.parts import weights_beside
from henshin.train.publish import from_run
from henshin.train.weights import contract_of


def rebuilt(name: str, registry: Registry, store: ModelStore, base: Path | None = None) -> Source:
    """The generator and network of a model (by its NAME.safetensors), of such a file, or of a run's last checkpoint.

    `name` is a model's name, or a path, relative to `base` or else to where we are.
    Errors: MissingError when it is not there, or has no weights beside it; HenshinError when they do not fit.
    """
    place = trained_at(name, base)
    if place is not None:
        return from_run(place, registry) if place.is_dir() else from_published(place, registry, Wanted())
    if name.endswith(SUFFIX):
        raise MissingError(f"there is no file of weights {name}")
    path = weights_of(name, store, base)
    said, own = store.find(name, base).contract.weights_sha256, contract_of(path)
    if said and own is not None and own.weights_sha256 not in (None, said):
        raise HenshinError(f"the weights beside '{name}' ({path}) are those of another network; export it again")
    return from_published(path, registry, Wanted())


def weights_of(name: str, store: ModelStore, base: Path | None = None) -> Path:
    """The file with the weights of a model, NAME.safetensors: beside NAME.onnx, or its mapping and synthesis.

    Errors: those of `ModelStore.find`; MissingError when the model is there and its weights are not.
    """
    found = store.find(name, base)
    path = weights_beside(found.path, found.contract.part if found.mapping is None else "synthesis")
    if not path.is_file():
        raise MissingError(
            f"model '{name}' has no weights beside it ({path}); export or import it again with --keep-weights"
        )
    return path

"""Networks built again from what was trained or exported, for whatever needs their gradients or their weights."""

from __future__ import annotations

from pathlib import Path

from henshin.errors import MissingError
from henshin.models import ModelStore
from henshin.registry import Registry
from henshin.train.export import Source
from henshin.train.importing import Wanted, from_published
from henshin.train.parts import weights_beside
from henshin.train.publish import RUN_FILE, from_run


def rebuilt(name: str, registry: Registry, store: ModelStore, base: Path | None = None) -> Source:
    """The generator and network of a model (by its NAME.safetensors), of such a file, or of a run's last checkpoint.

    `name` is a model's name, or a path, relative to `base` or else to where we are.
    Errors: MissingError when it is not there, or has no weights beside it; HenshinError when they do not fit.
    """
    for place in dict.fromkeys([(base or Path()) / Path(name).expanduser(), Path(name).expanduser()]):
        if (place / RUN_FILE).is_file():
            return from_run(place, registry)
        if place.suffix == ".safetensors" and place.is_file():
            return from_published(place, registry, Wanted())
    if name.endswith(".safetensors"):
        raise MissingError(f"there is no file of weights {name}")
    return from_published(weights_of(name, store, base), registry, Wanted())


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

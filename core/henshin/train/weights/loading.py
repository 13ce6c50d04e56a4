"""Weights that a run begins with: those of another run, or of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from henshin.api.generator import GeneratorRegistry
from henshin.api.recipe import NetworkChoice
from henshin.errors import HenshinError, MissingError
from henshin.models import ModelStore
from henshin.models.trained_weights import SUFFIX, find_trained_weights
from henshin.train.weights.from_published import ImportOptions, from_published
from henshin.train.weights.from_run import from_run
from henshin.train.weights.run_folder import published_tensors
from henshin.train.weights.state_dict import fill
from henshin.train.weights.trained_network import TrainedNetwork, weights_beside
from henshin.train.weights.weight_files import check_whole, contract_of, read_groups


@dataclass(frozen=True, slots=True, eq=False)
class InitialWeights:
    """A generator, its tensors, and what else a run's last checkpoint holds; `place` is where they were found."""

    place: Path
    choice: NetworkChoice
    tensors: dict[str, Tensor]
    states: dict[str, Any]

    def put(self, network: nn.Module) -> None:
        """Give a network these weights. Errors: HenshinError that names the tensors that do not fit."""
        fill(network, self.tensors, str(self.place), f"generator '{self.choice.use}'")


def load_initial_weights(place: Path, choice: NetworkChoice | None, registry: GeneratorRegistry) -> InitialWeights:
    """What a run published, or a .safetensors file holds. `choice` is the generator that it must be, if that is said.

    Errors: HenshinError when there is nothing to begin with, or a file does not say of which generator it is.
    """
    if place.is_dir():
        published = published_tensors(place)
        network = published.network
        choice = choice or NetworkChoice(use=network.generator, **network.config)
        return InitialWeights(place, choice, published.tensors, published.states)
    contract = contract_of(place)
    if choice is None and (contract is None or contract.generator is None):
        raise HenshinError(f"{place}: does not say of which generator it is; say it: generator: {{use: NAME, ...}}")
    if choice is None and contract is not None and contract.generator is not None:
        choice = NetworkChoice(use=contract.generator, **contract.config)
    assert choice is not None
    registry.generator(choice.use)
    tensors = read_groups(place)[0].tensors
    check_whole(place, contract, tensors)
    return InitialWeights(place, choice, tensors, {})


def load_trained_network(
    name: str, registry: GeneratorRegistry, store: ModelStore, base: Path | None = None
) -> TrainedNetwork:
    """The generator and network of a model (by its NAME.safetensors), of such a file, or of a run's last checkpoint.

    `name` is a model's name, or a path, relative to `base` or else to where we are.
    Errors: MissingError when it is not there, or has no weights beside it; HenshinError when they do not fit.
    """
    place = find_trained_weights(name, base)
    if place is not None:
        return from_run(place, registry) if place.is_dir() else from_published(place, registry, ImportOptions())
    if name.endswith(SUFFIX):
        raise MissingError(f"there is no file of weights {name}")
    path = weights_of(name, store, base)
    said, own = store.find(name, base).contract.weights_sha256, contract_of(path)
    if said and own is not None and own.weights_sha256 not in (None, said):
        raise HenshinError(f"the weights beside '{name}' ({path}) are those of another network; export it again")
    return from_published(path, registry, ImportOptions())


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

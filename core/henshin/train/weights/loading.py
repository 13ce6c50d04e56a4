"""Loading of weights: those that a run starts from, and the trained network of a model, a file or a run."""

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
from henshin.train.weights.state_dict import load_tensors
from henshin.train.weights.trained_network import TrainedNetwork, weights_path
from henshin.train.weights.weight_files import check_hash, read_contract, read_groups


@dataclass(frozen=True, slots=True, eq=False)
class InitialWeights:
    """Weights that a run starts from: a generator, its tensors, and all `states` of a run's checkpoint.

    `path` is the folder of the run, or the file.
    """

    path: Path
    choice: NetworkChoice
    tensors: dict[str, Tensor]
    states: dict[str, Any]

    def load_into(self, network: nn.Module) -> None:
        """Load these weights into a network. Errors: HenshinError that names the tensors that do not fit."""
        load_tensors(network, self.tensors, str(self.path), f"generator '{self.choice.use}'")


def load_initial_weights(path: Path, choice: NetworkChoice | None, registry: GeneratorRegistry) -> InitialWeights:
    """Return the weights that a run published, or those of a .safetensors file.

    `choice` is their generator; by default the one that the run or the file names.
    Errors: HenshinError when there are no weights, or a file names no generator.
    """
    if path.is_dir():
        published = published_tensors(path)
        network = published.network
        choice = choice or NetworkChoice(use=network.generator, **network.config)
        return InitialWeights(path, choice, published.tensors, published.states)
    contract = read_contract(path)
    if choice is None and (contract is None or contract.generator is None):
        raise HenshinError(f"{path}: does not say of which generator it is; say it: generator: {{use: NAME, ...}}")
    if choice is None and contract is not None and contract.generator is not None:
        choice = NetworkChoice(use=contract.generator, **contract.config)
    assert choice is not None
    registry.generator(choice.use)
    tensors = read_groups(path)[0].tensors
    check_hash(path, contract, tensors)
    return InitialWeights(path, choice, tensors, {})


def load_trained_network(
    name: str, registry: GeneratorRegistry, store: ModelStore, base: Path | None = None
) -> TrainedNetwork:
    """Return the trained network of a model (from its NAME.safetensors), of such a file, or of a run.

    `name` is a model's name, or a path, relative to `base` or else to the working directory.
    Errors: MissingError when it is not there, or has no weights next to it; HenshinError when they do not fit.
    """
    trained = find_trained_weights(name, base)
    if trained is not None:
        return from_run(trained, registry) if trained.is_dir() else from_published(trained, registry, ImportOptions())
    if name.endswith(SUFFIX):
        raise MissingError(f"there is no file of weights {name}")
    path = weights_file(name, store, base)
    expected, contract = store.find(name, base).contract.weights_sha256, read_contract(path)
    if expected and contract is not None and contract.weights_sha256 not in (None, expected):
        raise HenshinError(f"the weights beside '{name}' ({path}) are those of another network; export it again")
    return from_published(path, registry, ImportOptions())


def weights_file(name: str, store: ModelStore, base: Path | None = None) -> Path:
    """Return the file with the weights of a model, NAME.safetensors next to NAME.onnx, or to its two parts.

    Errors: those of `ModelStore.find`; MissingError when the model is there and its weights are not.
    """
    model = store.find(name, base)
    path = weights_path(model.path, model.contract.part if model.mapping is None else "synthesis")
    if not path.is_file():
        raise MissingError(
            f"model '{name}' has no weights beside it ({path}); export or import it again with --keep-weights"
        )
    return path

"""Weights that a run begins with: those of another run, or of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from henshin.errors import HenshinError
from henshin.models.trained import RUN_FILE
from henshin.recipe import NetworkChoice
from henshin.registry import Registry
from henshin.train import checkpoint
from henshin.train.publish import described_run
from henshin.train.published import misfit
from henshin.train.weights import check_whole, contract_of, read_groups


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A generator, its tensors, and what else a run's last checkpoint holds; `place` is where they were found."""

    place: Path
    choice: NetworkChoice
    tensors: dict[str, Tensor]
    states: dict[str, Any]

    def put(self, network: nn.Module) -> None:
        """Give a network these weights. Errors: HenshinError that names the tensors that do not fit."""
        fill(network, self.tensors, str(self.place), f"generator '{self.choice.use}'")


def fill(network: nn.Module, tensors: dict[str, Tensor], where: str, whose: str) -> None:
    """Give a network all of its tensors. Errors: HenshinError that begins with `where` and names those that differ."""
    problem = misfit(network.state_dict(), tensors, whose)
    if problem:
        raise HenshinError(f"{where}: {problem}")
    network.load_state_dict(tensors)


def read_start(place: Path, choice: NetworkChoice | None, registry: Registry) -> Start:
    """What a run published, or a .safetensors file holds. `choice` is the generator that it must be, if that is said.

    Errors: HenshinError when there is nothing to begin with, or a file does not say of which generator it is.
    """
    if place.is_dir():
        return _of_run(place, choice)
    contract = contract_of(place)
    if choice is None and (contract is None or contract.generator is None):
        raise HenshinError(f"{place}: does not say of which generator it is; say it: generator: {{use: NAME, ...}}")
    if choice is None and contract is not None and contract.generator is not None:
        choice = NetworkChoice(use=contract.generator, **contract.config)
    assert choice is not None
    registry.generator(choice.use)
    tensors = read_groups(place)[0].tensors
    check_whole(place, contract, tensors)
    return Start(place, choice, tensors, {})


def _of_run(folder: Path, choice: NetworkChoice | None) -> Start:
    run, found = described_run(folder / RUN_FILE), checkpoint.found(folder / "checkpoints")
    published = run["publish"].get("")
    if not found or published is None:
        raise HenshinError(f"{folder}: this run has no checkpoint, or no network to begin with")
    states = checkpoint.load(found[-1])
    prefix = published["prefix"]
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in states.get(published["state"], {}).items()
        if name.startswith(prefix)
    }
    return Start(folder, choice or NetworkChoice(use=published["generator"], **published["config"]), tensors, states)

"""Models and pictures for tests of the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from henshin.models import read_contract
from henshin.runtime import Device, Model, OnnxSession


def model_of(path: Path, batch_size: int | None = None) -> Model:
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, OnnxSession(path, Device("cpu")), batch_size)


def translated(model: Model, pictures: list[Any]) -> list[Any]:
    """What the model makes of them, each of them a picture or an error: the tests say which."""
    return list(model.translate(pictures))


def spied(model: Model) -> list[Any]:
    """The shapes of the batches that the model's network is given from now on."""
    shapes: list[Any] = []
    run = model.network.run

    def spy(feed: Any) -> Any:
        shapes.append(feed["pictures"].shape)
        return run(feed)

    model.network.run = spy  # type: ignore[method-assign]
    return shapes


def pictures_of(rng: np.random.Generator, *sizes: tuple[int, int]) -> list[Any]:
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]

"""Opening a stage in a test: a context with a store of tiny models."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from henshin.api.context import Context
from henshin.api.stage import Stage
from henshin.models import ModelStore
from henshin.runtime import Device


def context_in(folder: Path, batch_size: int | None = None) -> Context:
    """A context on the CPU whose models lie in FOLDER/exported."""
    store = ModelStore(local=folder / "exported", user=folder / "user", packaged=folder / "packaged")
    registry: Any = None
    return Context(
        device=Device("cpu"), batch_size=batch_size, cache_folder=folder / "cache",
        log=logging.getLogger("henshin.test"), registry=registry, store=store, base=folder,
    )  # fmt: skip


def opened(stage: type[Stage[Any]], folder: Path, zone: Any = "photos", **options: Any) -> Stage[Any]:
    """The stage with these options, opened in that folder."""
    made = stage(stage.Config.model_validate(options))
    made.zone = zone
    made.open(context_in(folder))
    return made

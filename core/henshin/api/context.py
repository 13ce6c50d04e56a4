"""The context with which a stage is opened."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import MissingError
from henshin.files import is_file
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.generator import GeneratorRegistry
    from henshin.models import ModelStore
    from henshin.runtime import Device, Model, Session


@dataclass(slots=True)
class Context:
    """Device, batch size, cache folder, log and registry, and two methods that open networks.

    ``batch_size`` is None where the device decides, ``threads`` of each network 0 where the runtime does; ``at_once``
    pictures go through the stage that is opened. Model paths in a pipeline's file are relative to ``base``, its folder.
    """

    device: Device
    batch_size: int | None
    cache_folder: Path
    log: logging.Logger
    registry: GeneratorRegistry
    store: ModelStore
    base: Path
    opened: dict[Path, Session] = field(default_factory=dict)
    threads: int = 0
    at_once: int = 1

    @property
    def cache(self) -> Path:
        """Folder for results that are costly to compute, created at the first access. Errors: MissingError."""
        try:
            self.cache_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MissingError(f"the cache folder {self.cache_folder} cannot be made: {one_line(error)}") from error
        return self.cache_folder

    def model(self, name: str, scale: float | None = None, tile: int | None = None) -> Model:
        """Open an exported model by its name or path; of a multi-scale one the smallest that reaches ``scale``.

        If there is no model NAME but NAME-mapping and NAME-synthesis, both are opened together, as a sampler. Pictures
        of more than ``tile`` x ``tile`` pixels are translated in tiles; None leaves the size to the device.
        Errors: MissingError with what would be right.
        """
        from henshin.runtime import Model

        found = self.store.find(name, self.base, scale)
        mapping = None
        if found.mapping is not None:
            mapping = Model(found.mapping.contract, self._open(found.mapping.path, False))
        return Model(
            found.contract, self._open(found.path, found.contract.gives_pictures), self.batch_size, tile, mapping
        )

    def network(self, path: Path | str) -> Session:
        """Open any ONNX file, with or without our metadata; dict of arrays in, dict of arrays out. Opened once.

        It is computed in fp32, whatever the precision of the device. ``path`` is relative to the pipeline's file or, if
        there is no such file, to the working folder.
        """
        in_base = self.base / path
        return self._open(in_base if is_file(in_base) else Path(path), False)

    def _open(self, path: Path, gives_pictures: bool) -> Session:
        from henshin.runtime import open_session

        if path not in self.opened:
            self.opened[path] = open_session(
                path, self.device, gives_pictures=gives_pictures, threads=self.threads, at_once=self.at_once
            )
        return self.opened[path]

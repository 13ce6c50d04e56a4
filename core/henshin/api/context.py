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
    from henshin.runtime import Device, Model, OnnxSession


@dataclass(slots=True)
class Context:
    """Device, batch size, cache folder, log and registry, and two methods that open networks.

    ``batch_size`` is None where the device decides, ``threads`` of each network 0 where the runtime does. Model paths
    in a pipeline's file are relative to ``base``, the folder of that file.
    """

    device: Device
    batch_size: int | None
    cache_folder: Path
    log: logging.Logger
    registry: GeneratorRegistry
    store: ModelStore
    base: Path
    opened: dict[Path, OnnxSession] = field(default_factory=dict)
    threads: int = 0

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
            mapping = Model(found.mapping.contract, self.network(found.mapping.path))
        return Model(found.contract, self.network(found.path), self.batch_size, tile, mapping)

    def network(self, path: Path | str) -> OnnxSession:
        """Open any ONNX file, with or without our metadata; dict of arrays in, dict of arrays out. Opened once.

        ``path`` is relative to the pipeline's file or, if there is no such file, to the working folder.
        """
        from henshin.runtime import OnnxSession

        in_base = self.base / path
        path = in_base if is_file(in_base) else Path(path)
        if path not in self.opened:
            self.opened[path] = OnnxSession(path, self.device, self.threads)
        return self.opened[path]

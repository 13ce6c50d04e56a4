"""Training pictures processed once by a pipeline stage."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from henshin.api.context import Context
from henshin.api.recipe import Run
from henshin.api.stage import Stage
from henshin.config.validation import validate
from henshin.config.yaml_reader import parse
from henshin.errors import HenshinError, PictureError, PipelineError
from henshin.files import user_cache
from henshin.models import ModelStore
from henshin.runtime import Device
from henshin.train.data.datasets import ImageSet
from henshin.train.data.pixel_store import PixelStore, place_pixels

BATCH = 64
"""Pictures of one call of a stage."""


def apply_stage(run: Run, pictures: ImageSet, name: str, options: Mapping[str, Any] | None = None) -> ImageSet:
    """Return the training pictures of a set, processed by the stage ``name`` with these options.

    Whole pictures are processed and stay in memory, so the same random numbers give the same crops as before. The
    result has no held-out pictures.
    Errors: HenshinError for an unknown stage or option, and when the stage fails on a picture or resizes it.
    """
    stage = make_stage(run, name, options or {})
    store = pictures.training
    source = store.decoded.select(store.rows.tolist())
    lengths = 3 * source.shapes.prod(1)
    ends = np.cumsum(lengths)
    pixels = np.empty(int(lengths.sum()), np.uint8)
    stage.open(_context(run))
    try:
        for begin in range(0, len(store), BATCH):
            rows = range(begin, min(begin + BATCH, len(store)))
            inputs = [_picture(source.pixels, source.starts[row], *source.shapes[row]) for row in rows]
            for i, before, after in zip(rows, inputs, stage.run(inputs), strict=True):
                if isinstance(after, PictureError) or after.shape != before.shape:
                    reason = after.reason if isinstance(after, PictureError) else "another size"
                    raise HenshinError(f"{source.files[i]}: {name} gives {reason}")
                pixels[ends[i] - lengths[i] : ends[i]] = after.transpose(2, 0, 1).ravel()
    finally:
        stage.close()
    processed = replace(source, skipped=[], pixels=pixels, starts=ends - lengths, mapped=None)
    block = place_pixels(processed, store.device)
    training = PixelStore(processed, block, np.arange(len(store)), store.size, store.device)
    return ImageSet(training, pictures.held_out[:0], pictures.flip, pictures.random_crop, pictures.jitter)


def make_stage(run: Run, name: str, options: Mapping[str, Any]) -> Stage[Any]:
    """Return the stage ``name`` with these options, not yet opened.

    Errors: HenshinError for an unknown stage or option, and for a stage that does not work on pictures.
    """
    kind = run.registry.stage(name)
    where = f"stage '{name}'"
    config, problems = validate(kind.Config, parse(json.dumps(dict(options)), where, [], lines=False), where)
    if config is None:
        raise PipelineError(problems)
    if kind.works_on != "pictures":
        raise HenshinError(f"{where} works on {kind.works_on}, not on pictures")
    return kind(config)


def _context(run: Run) -> Context:
    log = logging.getLogger("henshin")
    return Context(Device("cpu"), None, user_cache(), log, run.registry, ModelStore(), run.folder)


def _picture(pixels: np.ndarray, start: int, height: int, width: int) -> np.ndarray:
    """Return one picture of a decoded set, (H, W, 3) uint8, contiguous."""
    planes = pixels[start : start + 3 * height * width].reshape(3, height, width)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))

"""Training pictures as a stage of pipelines leaves them: what a recipe wants to have done to them once."""

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
from henshin.train.data.pixel_store import PixelStore, place

AT_ONCE = 64
"""Pictures that a stage is given at a time."""


def apply_stage(run: Run, pictures: ImageSet, name: str, options: Mapping[str, Any] | None = None) -> ImageSet:
    """The training pictures of a set, each as the stage ``name`` with these options leaves it; drawn in the same way.

    They are kept whole, in memory: crops come from the same places. Nothing is held out.
    Errors: HenshinError for an unknown stage or option, and when the stage gives up on a picture or resizes it.
    """
    stage = configured(run, name, options or {})
    shelf, kept = pictures.training, pictures.training.decoded
    lengths = 3 * kept.shapes[shelf.rows].prod(1)
    ends = np.cumsum(lengths)
    pixels = np.empty(int(lengths.sum()), np.uint8)
    stage.open(_context(run))
    try:
        for begin in range(0, len(shelf), AT_ONCE):
            rows = shelf.rows[begin : begin + AT_ONCE]
            before = [_picture(kept.pixels, kept.starts[row], *kept.shapes[row]) for row in rows]
            for i, (was, now) in enumerate(zip(before, stage.run(before), strict=True), begin):
                if isinstance(now, PictureError) or now.shape != was.shape:
                    reason = now.reason if isinstance(now, PictureError) else "another size"
                    raise HenshinError(f"{kept.files[shelf.rows[i]]}: {name} gives {reason}")
                pixels[ends[i] - lengths[i] : ends[i]] = now.transpose(2, 0, 1).ravel()
    finally:
        stage.close()
    made = replace(
        kept,
        files=[kept.files[row] for row in shelf.rows],
        skipped=[],
        pixels=pixels,
        starts=ends - lengths,
        shapes=kept.shapes[shelf.rows],
        sizes=kept.sizes[shelf.rows],
        thumbs=kept.thumbs[shelf.rows],
        mapped=None,
    )
    again = PixelStore(made, place(made, shelf.device), np.arange(len(shelf)), shelf.size, shelf.device)
    return ImageSet(again, pictures.held[:0], pictures.flip, pictures.random_crop)


def configured(run: Run, name: str, options: Mapping[str, Any]) -> Stage[Any]:
    """The stage ``name`` with these options and its own defaults for the others, not yet opened.

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
    """One picture of a kept set, (H, W, 3) uint8 and contiguous."""
    planes = pixels[start : start + 3 * height * width].reshape(3, height, width)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))

"""The request for one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from henshin.engine.options import RunOptions

if TYPE_CHECKING:
    from henshin.models import ModelStore
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry


@dataclass(frozen=True)
class RunRequest:
    """Everything that a run and its plan depend on.

    ``inputs`` are files, folders and globs. ``output`` None means ``./henshin-out/PIPELINE``; the name of a picture,
    for a single input file, means that file, unless it ends with a slash. ``cancel``, once another thread sets it, ends
    the run as Ctrl-C does: what has begun is finished and recorded, and the same request goes on from there.
    """

    pipeline: Pipeline
    inputs: Sequence[Path | str]
    output: Path | str | None
    options: RunOptions
    store: ModelStore
    registry: Registry
    cancel: Event | None = None

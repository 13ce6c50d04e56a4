"""How a run is to be done, apart from the pipeline itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from henshin.images import WriteOptions

OnExisting = Literal["error", "skip", "overwrite"]

MIB = 1 << 20


def _default_write() -> WriteOptions:
    from henshin.images import WriteOptions

    return WriteOptions.model_validate({})


@dataclass(frozen=True)
class Limits:
    """What bounds memory: bytes of decoded pictures that may be waiting, at work and on their way to the disk.

    A single picture larger than a limit still passes, alone. None of these changes a pixel of any result.
    ``chunk`` is how many pictures go through the stages together (None: 8 on a CPU, 64 on a GPU, and always a
    few batches); ``workers`` how many threads decode, and as many encode (None: as many as there are CPUs, at
    most 8).
    """

    read_bytes: int = 256 * MIB
    chunk_bytes: int = 192 * MIB
    write_bytes: int = 256 * MIB
    chunk: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class RunOptions:
    """The options of one run.

    ``device`` is "auto", "cpu", "cuda" or "cuda:N"; ``batch_size`` None lets the device decide. ``write`` says how
    results are encoded. ``on_existing`` is what to do about files in the output folder that no run of henshin wrote
    there: ``error`` refuses before anything runs, ``skip`` leaves those sources alone, ``overwrite`` replaces the
    files. What earlier runs wrote is in their record, and is kept or redone whatever this option says.
    ``retry_failed`` tries sources again that failed before and have not changed since. ``limit`` takes only the first
    pictures of the sorted listing. ``cache`` is the folder that stages may keep things in between runs.
    """

    device: str = "auto"
    require_gpu: bool = False
    batch_size: int | None = None
    write: WriteOptions = field(default_factory=_default_write)
    on_existing: OnExisting | None = None
    retry_failed: bool = False
    limit: int | None = None
    cache: Path | None = None
    limits: Limits = field(default_factory=Limits)

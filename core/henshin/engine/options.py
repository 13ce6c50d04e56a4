"""The options of a run, apart from the pipeline itself."""

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
    """Memory limits: bytes of decoded pictures that are read ahead, in the stages, and waiting to be written.

    A single picture larger than a limit still passes, alone. None of these changes a pixel of any result.
    ``chunk`` is the number of pictures that go through the stages together (None: 8 on a CPU, 64 on a GPU, and at
    least two batches); ``workers`` the number of threads that decode, and of those that encode (None: the number of
    CPUs, at most 8).
    """

    read_bytes: int = 256 * MIB
    chunk_bytes: int = 192 * MIB
    write_bytes: int = 256 * MIB
    chunk: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class RunOptions:
    """The options of one run.

    ``device`` holds the words of ``--device``; ``batch_size`` None lets the device decide. ``write`` holds the
    options of the encoder. ``on_existing`` concerns files in the output folder that no run of henshin wrote there:
    ``error`` refuses before anything runs, ``skip`` leaves out the sources whose outputs they would be, ``overwrite``
    replaces them. It does not concern the outputs of earlier runs: these are in the record. ``retry_failed`` tries
    sources again that failed before and have not changed since. ``limit`` takes only the first pictures of the sorted
    listing. ``cache`` is the folder in which stages may keep files between runs.
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

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
    """Limits of pictures at once, and of memory. None of these changes a pixel of any result.

    ``workers`` is the number of pictures that go through the stages at once, and of threads that decode, and of those
    that encode (None: as suits the device and the stages, at most 8). ``chunk`` is the number of pictures in one list
    (None: as suits the device and the stages); if it is above 1, one list at a time goes through.

    ``memory`` bounds the bytes of all pictures that a run holds: a quarter of it is for those that are read ahead, a
    half for those in the stages, all workers together, a quarter for those that wait to be written. ``read_bytes``,
    ``chunk_bytes`` and ``write_bytes`` set these three directly. A single picture larger than a limit still passes,
    alone. Not counted: models, working memory of networks and stages, and the files' own bytes.
    """

    memory: int | None = None
    read_bytes: int | None = None
    chunk_bytes: int | None = None
    write_bytes: int | None = None
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
    listing. ``cache`` is the folder in which stages may keep files between runs. ``profile`` measures where the
    time goes.
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
    profile: bool = False

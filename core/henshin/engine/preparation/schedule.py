"""The schedule of a run: pictures at once, threads of each network, pictures in one list, and bounds of memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.engine.options import MIB, Limits

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.stage import Stage
    from henshin.engine.preparation.prepare import PreparedRun
    from henshin.engine.preparation.request import RunRequest

MOST_WORKERS = 8
"""Pictures at once if nobody says how many: more would wait for Python's global lock. The networks take the rest."""

GPU_CHUNK = 64

GPU_MEMORY = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Schedule:
    """How pictures go through a run.

    ``workers`` lists of ``chunk`` pictures (the first of ``first``) go through the stages at once. Each network of a
    concurrent stage has ``threads``, those of other stages ``all_threads``; 0 leaves the number to the runtime, which
    takes all cores. ``helpers`` threads read, and as many write. ``read_bytes``, ``stage_bytes`` and ``write_bytes``
    bound the pictures that are read ahead, in the stages, and waiting to be written. ``in_turn`` names the stages that
    take one list at a time.
    """

    workers: int
    threads: int
    all_threads: int
    chunk: int
    first: int
    helpers: int
    read_bytes: int
    stage_bytes: int
    write_bytes: int
    in_turn: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """One line on the pictures at once and the threads of each network; "" if there is only one at once."""
        if self.workers == 1:
            return ""
        threads = f"each network on {self.threads} thread{'s' * (self.threads != 1)}"
        alone = f"; one at a time in {', '.join(self.in_turn)}" if self.in_turn else ""
        return f"{self.workers} pictures at once, {threads}{alone}"


def schedule_of(request: RunRequest, context: Context, prepared: PreparedRun) -> Schedule:
    """Return the schedule of a run."""
    pipeline, options = request.pipeline, request.options
    pictures = options.limit if pipeline.source is not None else len(prepared.sources) - len(prepared.existing)
    stages = list(zip(pipeline.labels, pipeline.stages, strict=True))
    return make_schedule(stages, context.device.is_gpu, options.limits, options.batch_size, pictures)


def make_schedule(
    labelled: Sequence[tuple[str, Stage[Any]]],
    is_gpu: bool,
    limits: Limits,
    batch_size: int | None,
    pictures: int | None,
) -> Schedule:
    """Return the schedule for stages, with their labels, on a CPU or a GPU.

    ``pictures`` is the number to do, None if it is unknown. On a CPU a batch saves nothing, but two pictures at once on
    one core each take less time than one after the other on two; so there the lists hold one picture, unless a stage
    or the user wants several together. Then, and on a GPU, one list goes through at a time.
    """
    cores = usable_cores()
    stages = [(label, stage) for label, stage in labelled if stage.works_on != "source"]
    chunk = limits.chunk or _default_chunk([stage for _, stage in stages], is_gpu, batch_size)
    workers = 1
    if not is_gpu and chunk == 1:
        shared = any(stage.concurrent for _, stage in stages)
        several = limits.workers or (min(cores, MOST_WORKERS) if shared else 1)
        workers = max(1, several if pictures is None else min(several, pictures))
    memory = limits.memory or (GPU_MEMORY if is_gpu else (1 + workers) * 256 * MIB)
    all_threads = cores if cores < bound_cores() else 0
    return Schedule(
        workers=workers,
        threads=max(1, cores // workers) if workers > 1 else all_threads,
        all_threads=all_threads,
        chunk=chunk,
        first=min(chunk, batch_size or (4 if is_gpu else 1)),
        helpers=limits.workers or min(MOST_WORKERS, cores),
        read_bytes=limits.read_bytes or memory // 4,
        stage_bytes=limits.chunk_bytes or memory // 2,
        write_bytes=limits.write_bytes or memory // 4,
        in_turn=tuple(label for label, stage in stages if not stage.concurrent) if workers > 1 else (),
    )


def _default_chunk(stages: Sequence[Stage[Any]], is_gpu: bool, batch_size: int | None) -> int:
    wanted = GPU_CHUNK if is_gpu else max((stage.at_once for stage in stages), default=1)
    return max(wanted, 2 * batch_size if batch_size is not None and batch_size > 1 else 1)


def usable_cores() -> int:
    """Return the number of cores for this process: those it is bound to, or fewer under a container's quota."""
    quota = core_quota()
    return bound_cores() if quota is None else max(1, min(bound_cores(), ceil(quota)))


def bound_cores() -> int:
    """Return the number of cores that this process is bound to, without regard to a quota."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def core_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return the cores' worth of time that Linux's control groups (version 2) allow this process; None without a limit.

    The least of its own group and those above counts.
    """
    group = Path("/")
    with suppress(OSError):
        group = Path(next((line[3:] for line in own.read_text().splitlines() if line.startswith("0::")), "/"))
    quotas = [_quota_in(root / str(part).lstrip("/")) for part in (group, *group.parents)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_in(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None

"""What the command line says about a run, besides its YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about a run, besides its YAML.

    `device` "auto", "cpu", "cuda" or "cuda:N"; `devices` how many of that kind; `precision` "auto" (bf16 where the
    processor has it), "bf16" or "fp32"; `compile` None for "where it pays", by the backend `compiler`; `max_time` and
    `save_every` in seconds. `overrides` are the `--set` values that the plan was read with and `plugins` the files of
    plugins that are not installed: other processes read the plan again with them.
    """

    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    compile: bool | None = None
    resume: bool = False
    max_time: float | None = None
    max_steps: int | None = None
    save_every: float = 120.0
    log_every: int = 50
    overrides: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()
    compiler: str = "inductor"

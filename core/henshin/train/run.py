"""One training run: its device and precision, its checkpoints, what it writes down, and when it stops."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from henshin.errors import HenshinError
from henshin.recipe import NetworkChoice
from henshin.registry import Registry
from henshin.train import checkpoint
from henshin.train.device import make_fabric, precision_of, told
from henshin.train.folders import as_folders
from henshin.train.networks import make_generator
from henshin.train.randomness import random_state, seeded, set_random_state
from henshin.train.sheets import Row, sheet
from henshin.words import flat


@dataclass(frozen=True, slots=True)
class Published:
    """Which tensors of a checkpoint become a model, and how its network is built again."""

    generator: str
    config: dict[str, Any]
    state: str = ""
    prefix: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about a run, besides its YAML.

    `device` "auto", "cpu", "cuda" or "cuda:N"; `precision` "auto" (bf16 where the processor has it), "bf16" or
    "fp32"; `max_time` in seconds; `save_every` in seconds.
    """

    device: str = "auto"
    precision: str = "auto"
    resume: bool = False
    max_time: float | None = None
    max_steps: int | None = None
    save_every: float = 120.0
    log_every: int = 50


class TrainingRun:
    """What a recipe is given as its `Run`. It reads: prepare, track, `while run.step():` draw, learn, log.

    `folder` is the run's own; `base` the folder of its YAML, to which paths of data are relative; `rng` the run's
    numpy generator, saved and restored with everything else.
    """

    def __init__(
        self,
        folder: Path,
        base: Path,
        description: dict[str, Any],
        seed: int,
        registry: Registry,
        options: RunOptions,
        say: Callable[[str], None],
    ) -> None:
        self.folder, self.base, self.description = folder, base, description
        self.registry, self.options, self.say = registry, options, say
        self.steps = 0
        self.total: int | None = options.max_steps
        self.epoch: int | None = None
        self.rng = seeded(seed)
        self.fabric = make_fabric(options.device, options.precision)
        self.device = self.fabric.device
        self._built: list[tuple[nn.Module, Published]] = []
        self._tracked: dict[str, Any] = {}
        self._published: dict[str, Published] = {}
        self._pending: dict[str, list[Tensor]] = {}
        self._started: float | None = None
        self._first_step = 0
        self._saved_at = 0.0
        self._in_step = False
        self.interrupted = False

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        """The folders that a data option names. Errors: HenshinError."""
        return as_folders(value, self.base)

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build the network of a generator plugin, chosen by a run's option or by name and options.

        Errors: HenshinError for an unknown name or a wrong option.
        """
        if isinstance(choice, str):
            choice = NetworkChoice(use=choice, **(options or {}))
        network = make_generator(self.registry, choice.use, choice.options).build()
        self._built.append((network, Published(choice.use, choice.options)))
        return network

    def prepare(self, *things: Any) -> Any:
        """Put networks on the device and under the precision of the run, and optimisers beside them."""
        ready = [
            self.fabric.setup_module(thing) if isinstance(thing, nn.Module) else self.fabric.setup_optimizers(thing)
            for thing in things
        ]
        return ready[0] if len(ready) == 1 else tuple(ready)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, as the precision wants them computed."""
        self.fabric.backward(loss)

    def publish(
        self, choice: NetworkChoice, state: str, prefix: str = "", size: int | None = None, part: str = ""
    ) -> None:
        """Say what `henshin export` shall take: of the tracked `state`, the tensors that begin with `prefix`.

        `size` is the side of the training pictures, which becomes the model's preferred size. A run that does not
        say publishes the one network that it had built by `generator` and tracks.
        """
        self._published[part] = Published(choice.use, choice.options, state, prefix, size)

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Say how many steps the run has in all, and an epoch; without it, only the command line's limits end it."""
        self.total = min(steps, self.options.max_steps or steps)
        self.epoch = epoch

    def track(self, **state: Any) -> None:
        """Name everything a checkpoint holds; continue from the last one if asked to.

        Errors: HenshinError when the last checkpoint does not fit this run.
        """
        self._tracked = state
        found = checkpoint.found(self.checkpoints)
        if self.options.resume and found:
            self._restore(found[-1])
        elif self.options.resume:
            self.say(f"{self.folder}: there is no checkpoint to go on from; starts anew")
        if not self._published:
            self._publish_what_was_built()
        self._write_description()
        self.say(told(self.fabric))

    def _publish_what_was_built(self) -> None:
        tracked = {id(getattr(thing, "module", thing)): name for name, thing in self._tracked.items()}
        found = [(tracked[id(network)], what) for network, what in self._built if id(network) in tracked]
        if len(found) == 1:
            name, what = found[0]
            self._published[""] = replace(what, state=name)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    def step(self) -> bool:
        """Begin the next step; saves when due. False, with everything saved: stop now."""
        now = time.monotonic()
        if self._started is None:
            self._started = self._saved_at = now
            self._first_step = self.steps
            self._in_step = self._may_go_on(now)
            return self._in_step
        self.steps += 1
        self._in_step = self._may_go_on(now)
        if not self._in_step:
            self.save()
            return False
        if now - self._saved_at >= self.options.save_every:
            self.save()
            self._saved_at = now
        return True

    def finish(self) -> None:
        """Count and save the last step of a recipe that left its loop by itself."""
        if self._in_step and self._tracked:
            self.steps += 1
            self.save()
            self._in_step = False

    def _may_go_on(self, now: float) -> bool:
        limit = self.options.max_time
        out_of_time = limit is not None and self._started is not None and now - self._started >= limit
        done = self.total is not None and self.steps >= self.total
        return not (self.interrupted or out_of_time or done)

    def every(self, steps: int) -> bool:
        """Is this one of every `steps` steps?"""
        return self.steps % steps == 0

    def log(self, step: int, **scalars: Tensor | float) -> None:
        """Note the values of a step; every `log_every` steps their means are written down and told."""
        for name, value in scalars.items():
            self._pending.setdefault(name, []).append(torch.as_tensor(value).detach())
        if (step + 1) % self.options.log_every:
            return
        means = self._means()
        self._pending.clear()
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": step + 1, "time": round(time.time(), 1), **means}) + "\n")
        rate = (self.steps + 1 - self._first_step) / max(time.monotonic() - (self._started or 0.0), 1e-9)
        told = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        of = "" if self.total is None else f"/{self.total}"
        self.say(f"step {step + 1}{of}  {rate:.2f} steps/s  {told}")

    def _means(self) -> dict[str, float]:
        """Means of what was logged since the last time. Errors: HenshinError once a loss is no number any more."""
        means = {name: float(torch.stack(values).float().mean()) for name, values in self._pending.items()}
        for name, mean in means.items():
            if not np.isfinite(mean):
                raise HenshinError(
                    f"{self.folder}: '{name}' became {mean} before step {self.steps + 1}; lower learning_rate "
                    "and go on with --resume from the last checkpoint, which is sound"
                )
        return means

    def sheet(self, name: str, rows: Sequence[Row]) -> None:
        """Write a sample sheet, `samples/NAME.png`: a row for each (N, 3, H, W) in [-1, 1] or list of pictures."""
        sheet(rows, self.folder / "samples" / f"{name}.png")

    def save(self) -> None:
        """Write a checkpoint of all that is tracked. Errors: HenshinError, with nothing written, when a loss is NaN."""
        self._means()
        state = {name: thing.state_dict() for name, thing in self._tracked.items()}
        state["run"] = {"steps": self.steps, "random": random_state(self.rng)}
        checkpoint.save(self.checkpoints, self.steps, state)

    def _restore(self, path: Path) -> None:
        state = checkpoint.load(path)
        try:
            for name, thing in self._tracked.items():
                thing.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise HenshinError(f"{path}: does not fit this run ({mismatch(error)})") from error
        self.steps = state["run"]["steps"]
        set_random_state(state["run"]["random"], self.rng)
        self.say(f"resumed at step {self.steps}")

    def _write_description(self) -> None:
        whole = {
            **self.description,
            "base": str(self.base.resolve()),
            "precision": precision_of(self.fabric),
            "publish": {part: asdict(what) for part, what in self._published.items()},
        }
        (self.folder / "run.json").write_text(json.dumps(whole, indent=2) + "\n")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within: a first Ctrl-C (or SIGTERM) ends the run after its step, with everything saved."""

        def stop(*_: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def mismatch(error: Exception) -> str:
    """The first thing in which a checkpoint and a run differ: PyTorch lists them below a headline."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else flat(error)

"""One training run: what a recipe is given. It reads: prepare, track, `while run.step():` draw, learn, log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from henshin.api.recipe import NetworkChoice
from henshin.errors import HenshinError
from henshin.models.trained_weights import CHECKPOINTS, list_checkpoints
from henshin.registry import Registry
from henshin.text import flatten
from henshin.train.config.run_config import TrainOptions
from henshin.train.data.folders import resolve_folders
from henshin.train.devices.compile import explain_compile_error, prepare, select_compiler
from henshin.train.devices.distributed import ProcessGroup
from henshin.train.devices.fabric import describe_device, precision_of, set_backend_flags
from henshin.train.loggers.image_grid import Row
from henshin.train.loggers.logger import Progress, RunLogger
from henshin.train.loop.seed import random_state, seed_rank, seeded, set_random_state
from henshin.train.loop.stopping import StopCondition
from henshin.train.networks import make_generator
from henshin.train.networks.generators import with_normalised_io
from henshin.train.optim import OptimizerSettings
from henshin.train.weights import checkpoint, run_folder
from henshin.train.weights.run_folder import PublishedNetwork, RunSession

__all__ = ["PublishedNetwork", "TrainOptions", "TrainingRun"]


class TrainingRun:
    """What a recipe is given as its `Run`.

    `folder` is the run's own; `base` the folder of its YAML, to which paths of data are relative; `rng` the run's
    numpy generator, saved and restored with everything else. Of several processes each has its own `rng`; only the
    first one writes and speaks.
    """

    def __init__(
        self,
        folder: Path,
        base: Path,
        description: dict[str, Any],
        seed: int,
        registry: Registry,
        options: TrainOptions,
        fabric: Fabric,
        say: Callable[[str], None],
        show: Callable[[Progress], None] | None = None,
    ) -> None:
        self.folder, self.base, self.description, self.seed = folder, base, description, seed
        self.registry, self.options, self.fabric = registry, options, fabric
        self.steps = 0
        self.epoch: int | None = None
        self.device = fabric.device
        self.others = ProcessGroup(fabric)
        self.rng = seeded(seed, self.others.rank)
        self.ending = StopCondition(options.max_steps, options.max_time)
        self.watch = RunLogger(folder, self.others, say, show, options.log_every)
        self.say = self.watch.say
        set_backend_flags(fabric)
        self.compiler = select_compiler(fabric, options.compile, options.compiler)
        self._changed: dict[str, Any] = {}
        self._built: list[tuple[nn.Module, PublishedNetwork]] = []
        self._tracked: dict[str, Any] = {}
        self._settings = OptimizerSettings()
        self._published: dict[str, PublishedNetwork] = {}
        self._aside: dict[str, Any] | None = None
        self._saved_at = 0.0
        self._in_step = self._last = self._saved = False

    @property
    def interrupted(self) -> bool:
        """Was the run asked to stop?"""
        return self.ending.interrupted

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        """The folders that a data option names. Errors: HenshinError."""
        return resolve_folders(value, self.base)

    def place(self, value: str) -> Path:
        """The path of a file or folder that an option names."""
        return self.base / Path(value).expanduser()

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build the network of a generator plugin, chosen by a run's option or by name and options.

        It takes and gives RGB in [-1, 1], whatever range and order of channels the generator declares.
        Errors: HenshinError for an unknown name or a wrong option.
        """
        if isinstance(choice, str):
            choice = NetworkChoice(use=choice, **(options or {}))
        generator = make_generator(self.registry, choice.use, choice.options)
        network = with_normalised_io(generator.build(), generator)
        self._built.append((network, PublishedNetwork(choice.use, choice.options)))
        return network

    def prepare(self, *things: Any, compiled: bool | None = None) -> Any:
        """Put networks on the device and under the precision of the run, and optimisers beside them.

        Where the run compiles, it compiles the networks of generators, or all (True) or none (False) of these.
        """
        ready = [self._prepared(thing, compiled) for thing in things]
        return ready[0] if len(ready) == 1 else tuple(ready)

    def _prepared(self, thing: Any, compiled: bool | None) -> Any:
        if not isinstance(thing, nn.Module):
            return self.fabric.setup_optimizers(thing)
        if compiled is None:
            compiled = any(thing is network for network, _ in self._built)
        return prepare(self.fabric, thing, self.compiler if compiled else None)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, as the precision wants them computed."""
        try:
            self.fabric.backward(loss)
        except RuntimeError as error:
            raise explain_compile_error(error) from error

    def publish(
        self, choice: NetworkChoice, state: str, prefix: str = "", size: int | None = None, part: str = ""
    ) -> None:
        """Say what `henshin export` shall take: of the tracked `state`, the tensors that begin with `prefix`.

        `size` is the side of the training pictures, which becomes the model's preferred size. A run that does not
        say publishes the one network that it had built by `generator` and tracks.
        """
        self._published[part] = PublishedNetwork(choice.use, choice.options, state, prefix, size)

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Say how many steps the run has in all, and an epoch; without it, only the command line's limits end it."""
        self.ending.plan, self.epoch = steps, epoch

    def track(self, **state: Any) -> None:
        """Name everything a checkpoint holds; continue from the last one if asked to.

        Errors: HenshinError when the last checkpoint does not fit this run.
        """
        for name, thing in state.items():
            if not (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")):
                raise HenshinError(
                    f"run.track({name}=...): a {type(thing).__name__} has no state_dict() and load_state_dict(), so no "
                    "checkpoint can hold it; track networks, optimisers, pools, averages"
                )
        self._tracked = state
        self._settings.record(state)
        seed_rank(self.seed, self.others.rank)
        found = list_checkpoints(self.checkpoints)
        if self.options.resume and found:
            self._restore(found[-1])
        elif self.options.resume:
            self.say(f"{self.folder}: there is no checkpoint to go on from; starts anew")
        if not (self.options.resume and found):
            self.watch.resume(0, {})  # a run that was killed before its first checkpoint may have left a log
        if not self._published:
            self._publish_what_was_built()
        if self.others.rank == 0:
            sitting = RunSession(
                self.steps, self.options.overrides, precision_of(self.fabric), self.others.world_size, self._changed
            )
            run_folder.write(self.folder, self.description, self.base, self._published, sitting)
        self.say(describe_device(self.fabric, self.compiler is not None))

    def _publish_what_was_built(self) -> None:
        tracked = {id(getattr(thing, "module", thing)): name for name, thing in self._tracked.items()}
        found = [(tracked[id(network)], what) for network, what in self._built if id(network) in tracked]
        if len(found) == 1:
            name, what = found[0]
            self._published[""] = replace(what, state=name)

    @property
    def publishes(self) -> bool:
        """Is there a model that `henshin export` would make of this run, as far as it has said?"""
        return bool(self._published)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / CHECKPOINTS

    def step(self) -> bool:
        """Begin the next step; saves when due. False, with everything saved: stop now.

        Errors: HenshinError when nothing is tracked, for then nothing that is learned would be kept.
        """
        if not self._tracked:
            raise HenshinError("the recipe tracks nothing: it must call run.track(...) before its first run.step()")
        if self.ending.started is None:
            self.ending.started = self._saved_at = time.monotonic()
            self.watch.begin(self.steps)
        else:
            self._step_done()
        over = self._last or self.ending.over(self.steps)
        due = time.monotonic() - self._saved_at >= self.options.save_every
        over, due, last = self.others.any(over, due, self.ending.last(self.steps))
        self.ending.agreed(last and not over, self.steps)
        if over or due:
            self.save()
            self._saved_at = time.monotonic()
        self._in_step, self._last = not over, last
        return self._in_step

    def _step_done(self) -> None:
        self.steps += 1
        self._saved = False
        if self._aside is not None:
            set_random_state(self._aside, self.rng, self.device)
            self._aside = None
        self.watch.step(self.steps, self.ending.total, self.epoch)

    def finish(self) -> None:
        """Count and save the last step of a recipe that left its loop by itself, and draw the curves."""
        if self._in_step and self._tracked:
            self._step_done()
            self.save()
            self._in_step = False
        self.watch.end(self.steps, self.ending.total, self.epoch)

    def every(self, steps: int) -> bool:
        """Is this one of every `steps` steps? For sheets and other looks, not for what the networks learn from.

        Sheets are also due in the last step of the plan or of this sitting. What such a look draws at random is taken
        back, for a run that goes on must not differ from one without a break.
        """
        if self.steps % steps == 0:
            return True
        chosen = self.description.get("config", {}).get("sheet_every") or self.epoch
        if not self._last or steps != chosen:
            return False
        self._aside = self._aside or random_state(self.rng, self.device)
        return True

    def log(self, step: int, **scalars: Tensor | float) -> None:
        """Note the values of a step; every `log_every` steps their means are written down and told."""
        if self.watch.add(step, scalars, self.device):
            self.watch.write_line(step + 1, self.ending.total, self.epoch)

    def sheet(self, name: str, rows: Sequence[Row], names: Sequence[str] = ()) -> None:
        """Write a sample sheet, `samples/NAME.png`: a row for each (N, 3, H, W) in [-1, 1] or list of pictures.

        `names` say what the rows are: ("photo", "drawing", "back").
        """
        self.watch.write_sheet(self.steps, name, rows, names)

    def save(self) -> None:
        """Write a checkpoint of all that is tracked. Errors: HenshinError, with nothing written, when a loss is NaN."""
        if self._saved:  # nothing was learned since
            return
        self.watch.finite_means(self.steps)
        first = self.others.rank == 0
        if first:
            checkpoint.begin(self.checkpoints, self.steps)
        self.others.wait()
        side = checkpoint.side(self.checkpoints, self.steps)
        tracked = {name: thing for name, thing in self._tracked.items() if first or not _shared(thing)}
        state: dict[str, Any] = {name: thing.state_dict() for name, thing in tracked.items()}
        random = random_state(self.rng, self.device)
        state["run"] = {
            "steps": self.steps,
            "random": random,
            "noted": self.watch.metrics.sums(),
            "settings": self._settings.initial,
        }
        checkpoint.write(side, state, self.others.rank)
        self.others.wait()
        if first:
            checkpoint.end(self.checkpoints, self.steps)
        self._saved = not self._in_step

    def _restore(self, path: Path) -> None:
        state = checkpoint.load(path)
        before = run_folder.earlier(self.folder).get("config", {})
        self._changed = {name: [was, now] for name, was, now in run_folder.changes(before, self.description["config"])}
        changed = run_folder.told(self._changed)
        own = self.others.rank < checkpoint.ranks(path)
        if self.others.rank and own:
            state |= checkpoint.load(path, self.others.rank)
        try:
            for name, thing in self._tracked.items():
                thing.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            why = f"{mismatch(error)}; changed since: {changed}" if changed else mismatch(error)
            raise HenshinError(f"{path}: does not fit this run ({why})") from error
        self._settings.apply_changes(self._tracked, state["run"].get("settings", {}))
        self.steps = state["run"]["steps"]
        if own:
            set_random_state(state["run"]["random"], self.rng, self.device)
        else:  # one process more than before
            self.rng.bit_generator.state = seeded(self.seed + self.steps, self.others.rank).bit_generator.state
            seed_rank(self.seed + self.steps, self.others.rank)
        self._saved = True
        self.watch.resume(self.steps, state["run"].get("noted", {}) if own else {})
        self.say(f"resumed at step {self.steps}")
        if changed:
            self.say(f"changed since: {changed}")


def _shared(thing: Any) -> bool:
    """Is this the same in every process? Networks and optimisers are; pools of pictures are not."""
    return isinstance(thing, nn.Module | torch.optim.Optimizer)


def mismatch(error: Exception) -> str:
    """The first thing in which a checkpoint and a run differ: PyTorch lists them below a headline."""
    if isinstance(error, KeyError):
        return f"it holds no {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[1] if len(lines) > 1 else flatten(error)
    sizes = re.match(r"size mismatch for (\S+): .*?\[([\d, ]*)\].*?\[([\d, ]*)\]", told)
    return f"'{sizes[1]}' is ({sizes[2]}) there and ({sizes[3]}) here" if sizes else told

"""A training run, as a recipe sees it: prepare, track, then `while run.step():` load, learn, log."""

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

from henshin.api.recipe import EvaluatedConfig, NetworkChoice
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
from henshin.train.loop.held_out import HeldOutEvaluation, line_of
from henshin.train.loop.seed import random_state, seed_generators, seed_rank, set_random_state
from henshin.train.loop.stopping import StopCondition
from henshin.train.networks import make_generator
from henshin.train.networks.generators import with_normalised_io
from henshin.train.optim import OptimizerSettings
from henshin.train.weights import checkpoint, run_folder
from henshin.train.weights.evaluations import Evaluations
from henshin.train.weights.run_folder import PublishedNetwork, RunSession


class TrainingRun:
    """The `Run` of a recipe.

    `folder` is the folder of the run; `base` the folder of its YAML, to which paths of data are relative; `rng` the
    run's numpy generator, whose state is in every checkpoint. Each of several processes has its own `rng`; only the
    first process writes files and prints.
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
        self.processes = ProcessGroup(fabric)
        self.rng = seed_generators(seed, self.processes.rank)
        self.stop_condition = StopCondition(options.max_steps, options.max_time)
        self.logger = RunLogger(folder, self.processes, say, show, options.log_every)
        self.say = self.logger.say
        set_backend_flags(fabric)
        self.compiler = select_compiler(fabric, options.compile, options.compiler)
        self._changes: dict[str, Any] = {}
        self._built: list[tuple[nn.Module, PublishedNetwork]] = []
        self._tracked: dict[str, Any] = {}
        self._optimizer_settings = OptimizerSettings()
        self._published: dict[str, PublishedNetwork] = {}
        self._random_state: dict[str, Any] | None = None
        self._evaluation: HeldOutEvaluation | None = None
        self._save_time = 0.0
        self._in_step = self._last = self._saved = False

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM has stopped the run."""
        return self.stop_condition.interrupted

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        """Return the folders that a data option names, relative to the run's YAML. Errors: HenshinError."""
        return resolve_folders(value, self.base)

    def place(self, value: str) -> Path:
        """Return the path of a file or folder that an option names, relative to the run's YAML."""
        return self.base / Path(value).expanduser()

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build the network of a generator plugin, chosen by a run's option or by name and options.

        Its input and output are RGB in [-1, 1], whatever value range and channel order the generator declares.
        Errors: HenshinError for an unknown name or a wrong option.
        """
        if isinstance(choice, str):
            choice = NetworkChoice(use=choice, **(options or {}))
        generator = make_generator(self.registry, choice.use, choice.options)
        network = with_normalised_io(generator.build(), generator)
        self._built.append((network, PublishedNetwork(choice.use, choice.options)))
        return network

    def prepare(self, *things: Any, compiled: bool | None = None) -> Any:
        """Return networks and optimisers prepared for the device and precision of the run.

        A run that compiles compiles the networks that ``generator`` built; with ``compiled=True`` all of these, with
        False none.
        """
        ready = [self._prepare(thing, compiled) for thing in things]
        return ready[0] if len(ready) == 1 else tuple(ready)

    def _prepare(self, thing: Any, compiled: bool | None) -> Any:
        if not isinstance(thing, nn.Module):
            return self.fabric.setup_optimizers(thing)
        if compiled is None:
            compiled = any(thing is network for network, _ in self._built)
        return prepare(self.fabric, thing, self.compiler if compiled else None)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss, scaled where the precision needs it."""
        try:
            self.fabric.backward(loss)
        except RuntimeError as error:
            raise explain_compile_error(error) from error

    def publish(
        self, choice: NetworkChoice, state: str, prefix: str = "", size: int | None = None, part: str = ""
    ) -> None:
        """Name the weights for `henshin export`: of the tracked `state`, the tensors that begin with `prefix`.

        `size` is the side of the training pictures, which becomes the model's preferred size. A run without this call
        publishes the one network that it built by `generator` and tracks.
        """
        self._published[part] = PublishedNetwork(choice.use, choice.options, state, prefix, size)

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Set the steps of the run, and of an epoch; without it, only the command line's limits end the run."""
        self.stop_condition.planned_steps, self.epoch = steps, epoch

    def track(self, **state: Any) -> None:
        """Name everything that a checkpoint holds; with `--resume`, load the last one.

        Errors: HenshinError when the last checkpoint does not fit this run.
        """
        for name, thing in state.items():
            if not (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")):
                raise HenshinError(
                    f"run.track({name}=...): a {type(thing).__name__} has no state_dict() and load_state_dict(), so no "
                    "checkpoint can hold it; track networks, optimisers, pools, averages"
                )
        self._tracked = state
        self._optimizer_settings.record(state)
        seed_rank(self.seed, self.processes.rank)
        checkpoints = list_checkpoints(self.checkpoints)
        if self.options.resume and checkpoints:
            self._restore(checkpoints[-1])
        elif self.options.resume:
            self.say(f"{self.folder}: there is no checkpoint to go on from; starts anew")
        if not (self.options.resume and checkpoints):
            self.logger.resume(0, {})  # a run that was killed before its first checkpoint may have left a log
        if not self._published:
            self._publish_built_network()
        if self.processes.rank == 0:
            session = RunSession(
                self.steps, self.options.overrides, precision_of(self.fabric), self.processes.world_size, self._changes
            )
            run_folder.write(self.folder, self.description, self.base, self._published, session)
        self.say(describe_device(self.fabric, self.compiler is not None))

    def _publish_built_network(self) -> None:
        tracked = {id(getattr(thing, "module", thing)): name for name, thing in self._tracked.items()}
        published = [
            replace(description, state=tracked[id(network)])
            for network, description in self._built
            if id(network) in tracked
        ]
        if len(published) == 1:
            self._published[""] = published[0]

    @property
    def publishes(self) -> bool:
        """Whether the run has named a network for `henshin export`."""
        return bool(self._published)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / CHECKPOINTS

    def step(self) -> bool:
        """Begin the next step, after a checkpoint when one is due. Return False, with everything saved, at the end.

        Errors: HenshinError when nothing is tracked, because then no checkpoint would hold what is learned.
        """
        if not self._tracked:
            raise HenshinError("the recipe tracks nothing: it must call run.track(...) before its first run.step()")
        if self.stop_condition.started is None:
            self.stop_condition.started = self._save_time = time.monotonic()
            self.logger.begin(self.steps)
        else:
            self._end_step()
        over = self._last or self.stop_condition.is_over(self.steps)
        due = time.monotonic() - self._save_time >= self.options.save_every
        over, due, last = self.processes.any(over, due, self.stop_condition.is_last(self.steps))
        self.stop_condition.note_last(last and not over, self.steps)
        if over or due:
            self.save()
            self._save_time = time.monotonic()
        self._in_step, self._last = not over, last
        return self._in_step

    def _end_step(self) -> None:
        self.steps += 1
        self._saved = False
        if self._random_state is not None:
            set_random_state(self._random_state, self.rng, self.device)
            self._random_state = None
        self.logger.step(self.steps, self.stop_condition.total, self.epoch)
        every = self.description.get("config", {}).get("evaluate_every")
        if every and self.steps % every == 0:
            if self.processes.rank == 0:
                self._evaluate()
            self.processes.wait()

    def _evaluate(self) -> None:
        """Measure the published network on the held-out pictures, and keep its state if it is the best so far."""
        if self._evaluation is None:
            config = self.registry.recipe(self.description["recipe"]).Config.model_validate(self.description["config"])
            if not isinstance(config, EvaluatedConfig) or "" not in self._published:
                raise HenshinError("evaluate_every: the recipe publishes no translator that could be measured")
            self._evaluation = HeldOutEvaluation(config, self.base, self.registry, self.device)
        published = self._published[""]
        states = {published.state: self._tracked[published.state].state_dict()}
        figures = self._evaluation.measure(published, states[published.state])
        evaluations = Evaluations.of(self.folder, self.steps - 1)
        best = evaluations.add(self.steps, [figure.as_dict() for figure in figures], states)
        self.logger.write_evaluation(self.steps, self._evaluation.logged(figures))
        self.say(line_of(self.steps, figures, best))

    def finish(self) -> None:
        """Count and save the last step of a recipe that left its loop by itself, and write the curves."""
        if self._in_step and self._tracked:
            self._end_step()
            self.save()
            self._in_step = False
        self.logger.end(self.steps, self.stop_condition.total, self.epoch)

    def every(self, steps: int) -> bool:
        """Return whether this is one of every `steps` steps. For sample grids and measurements, not for learning.

        Sheets are also due in the last step of the plan or of this session. The random state is restored after such an
        extra sheet: a run that is resumed must not differ from an uninterrupted one.
        """
        if self.steps % steps == 0:
            return True
        sheet_every = self.description.get("config", {}).get("sheet_every") or self.epoch
        if not self._last or steps != sheet_every:
            return False
        self._random_state = self._random_state or random_state(self.rng, self.device)
        return True

    def log(self, step: int, **scalars: Tensor | float) -> None:
        """Record the values of a step; every `log_every` steps their means are written and printed."""
        if self.logger.add(step, scalars, self.device):
            self.logger.write_line(step + 1, self.stop_condition.total, self.epoch)

    def sheet(self, name: str, rows: Sequence[Row], names: Sequence[str] = ()) -> None:
        """Write a grid of samples, `samples/NAME.png`: a row for each (N, 3, H, W) in [-1, 1] or list of pictures.

        `names` are those of the rows: ("photo", "drawing", "back").
        """
        self.logger.write_sheet(self.steps, name, rows, names)

    def save(self) -> None:
        """Write a checkpoint of all that is tracked. Errors: HenshinError, with nothing written, for a NaN loss."""
        if self._saved:  # no step has ended since
            return
        self.logger.finite_means(self.steps)
        first = self.processes.rank == 0
        if first:
            checkpoint.begin(self.checkpoints, self.steps)
        self.processes.wait()
        part = checkpoint.unfinished(self.checkpoints, self.steps)
        tracked = {name: thing for name, thing in self._tracked.items() if first or not _shared(thing)}
        state: dict[str, Any] = {name: thing.state_dict() for name, thing in tracked.items()}
        random = random_state(self.rng, self.device)
        state["run"] = {
            "steps": self.steps,
            "random": random,
            "noted": self.logger.metrics.sums(),
            "settings": self._optimizer_settings.initial,
        }
        checkpoint.write(part, state, self.processes.rank)
        self.processes.wait()
        if first:
            checkpoint.end(self.checkpoints, self.steps)
        self._saved = not self._in_step

    def _restore(self, path: Path) -> None:
        state = checkpoint.load(path)
        before = run_folder.earlier_description(self.folder).get("config", {})
        self._changes = {name: [was, now] for name, was, now in run_folder.changes(before, self.description["config"])}
        changes = run_folder.format_changes(self._changes)
        own = self.processes.rank < checkpoint.process_count(path)
        if self.processes.rank and own:
            state |= checkpoint.load(path, self.processes.rank)
        try:
            for name, thing in self._tracked.items():
                thing.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            reason = f"{mismatch(error)}; changed since: {changes}" if changes else mismatch(error)
            raise HenshinError(f"{path}: does not fit this run ({reason})") from error
        self._optimizer_settings.apply_changes(self._tracked, state["run"].get("settings", {}))
        self.steps = state["run"]["steps"]
        if own:
            set_random_state(state["run"]["random"], self.rng, self.device)
        else:  # the checkpoint has no state of this process
            self.rng.bit_generator.state = seed_generators(
                self.seed + self.steps, self.processes.rank
            ).bit_generator.state
            seed_rank(self.seed + self.steps, self.processes.rank)
        self._saved = True
        self.logger.resume(self.steps, state["run"].get("noted", {}) if own else {})
        self.say(f"resumed at step {self.steps}")
        if changes:
            self.say(f"changed since: {changes}")


def _shared(thing: Any) -> bool:
    """Return whether this is the same in every process: networks and optimisers are, pools of pictures are not."""
    return isinstance(thing, nn.Module | torch.optim.Optimizer)


def mismatch(error: Exception) -> str:
    """Return the first difference between a checkpoint and a run, which PyTorch lists below a headline."""
    if isinstance(error, KeyError):
        return f"it holds no {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[1] if len(lines) > 1 else flatten(error)
    sizes = re.match(r"size mismatch for (\S+): .*?\[([\d, ]*)\].*?\[([\d, ]*)\]", first)
    return f"'{sizes[1]}' is ({sizes[2]}) there and ({sizes[3]}) here" if sizes else first

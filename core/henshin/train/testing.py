"""The part of the test kit that trains: for authors of recipes, for any test runner or none.

    from henshin.train.testing import check_recipe
    check_recipe(Echo, {"generator": {"use": "resnet", "width": 8}, "data": {"pictures": "pictures", "size": 32}})

It raises AssertionError with a description of the fault and of what would be right, and returns None otherwise.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from henshin.api.hookspecs import hookimpl
from henshin.api.recipe import NetworkChoice, Recipe
from henshin.errors import HenshinError, PipelineError
from henshin.models import Contract
from henshin.models.trained_weights import CHECKPOINTS, list_checkpoints
from henshin.registry import Registry, build_registry
from henshin.runtime import Device, OnnxSession
from henshin.testing.generators import configured
from henshin.text import flatten, one_line
from henshin.train.config.run_config import RunPlan, TrainOptions, load_run
from henshin.train.export import export
from henshin.train.export.artificial_photos import photo_folders
from henshin.train.export.parity import noise_trials, picture_trials, square_trials
from henshin.train.loop.launch import train
from henshin.train.loop.run import TrainingRun
from henshin.train.weights import checkpoint
from henshin.train.weights.from_run import from_run
from henshin.train.weights.run_folder import load_description

__all__ = ["check_recipe"]

STEPS = 6

CLOSE = 2
"""Allowed grey levels between a recipe's network and its model: one for rounding, one for the parity check."""

FAR = 8.0
"""Values that pictures in [-1, 1] never reach, even with noise: they are of another range."""


@dataclass
class ObservedRecipe:
    """Observations of a running recipe: whether it tracked anything, and the range of its networks' inputs."""

    tracked: bool = False
    low: float = field(default=np.inf)
    high: float = field(default=-np.inf)

    def given(self, _: nn.Module, values: tuple[Any, ...]) -> None:
        """Record the range of the pictures that a network is called with."""
        for value in values:
            if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == 3 and value.numel():
                low, high = value.detach().aminmax()
                self.low, self.high = min(self.low, float(low)), max(self.high, float(high))


@dataclass(frozen=True)
class Trial:
    """A recipe with its options, its pictures and the folder of its runs."""

    recipe: type[Recipe[Any]]
    plan: RunPlan
    registry: Registry
    runs: Path
    observed: ObservedRecipe = field(default_factory=ObservedRecipe)

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return self.recipe.name

    def run(self, folder: str, steps: int, resume: bool = False) -> tuple[TrainingRun, dict[str, Any]]:
        """Train to so many steps; return the run and the contents of its last checkpoint. Errors: AssertionError."""
        options = TrainOptions(
            device="cpu", precision="fp32", compile=False, resume=resume, max_steps=steps, save_every=1e9, log_every=1
        )
        lines: list[str] = []
        try:
            run = train(self._observed_plan(), self.runs / folder, self.registry, options, lines.append)
        except AssertionError:
            raise
        except (Exception, SystemExit) as error:
            text = flatten(error) if isinstance(error, HenshinError) else one_line(error)
            when = f"resumed at step {steps // 2}" if resume else f"trained for {steps} steps"
            raise AssertionError(f"{self.name} failed when {when}: {text}") from error
        assert self.observed.tracked, f"{self.name} never calls run.track(...): nothing of what it learns would be kept"
        found = list_checkpoints(self.runs / folder / CHECKPOINTS)
        assert found, f"{self.name} made no step: it must learn within `while run.step():`"
        state: dict[str, Any] = checkpoint.load(found[-1])
        return run, {name: value for name, value in state.items() if name != "run"}

    def _observed_plan(self) -> RunPlan:
        """Return the plan with a subclass of the recipe whose run is observed."""
        observed, own = self.observed, self.recipe

        def learn(recipe: Recipe[Any], run: Any) -> None:
            build, track = run.generator, run.track

            def generator(*words: Any, **more: Any) -> nn.Module:
                network: nn.Module = build(*words, **more)
                # before any other hook: the input as the recipe gives it
                network.register_forward_pre_hook(observed.given, prepend=True)
                return network

            def tracked(**state: Any) -> None:
                observed.tracked = bool(state)
                track(**state)

            run.generator, run.track = generator, tracked
            own.train(recipe, run)

        seen: type[Recipe[Any]] = type(own.__name__, (own,), {"train": learn, "__module__": own.__module__})
        return replace(self.plan, recipe=seen(self.plan.recipe.config))


def check_recipe(
    recipe_class: type[Recipe[Any]],
    options: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    *,
    steps: int = STEPS,
    registry: Registry | None = None,
    publishes: bool = True,
) -> None:
    """Train a recipe for a few steps on the CPU, and check that a run of it can be stopped, continued and exported.

    The class, its options and the chosen networks are checked as `henshin train` checks them. Then: `track` is called;
    something is learned; a run that is stopped half way and resumed ends with bitwise equal weights and optimisers (in
    fp32, on one thread); its networks get pictures in [-1, 1]; the published network is exported, and the model gives
    the pictures that the network gave to the recipe.

    ``options`` are those of a YAML, without ``recipe:``: of small networks and pictures, for at least ``steps``
    steps. Folders of pictures are relative to ``folder``; without it, there are 8 photos of 72x64 in each of ``a``,
    ``b`` and ``pictures``. The recipe's own plugin and all installed ones are available, or those of ``registry``.
    For a recipe that publishes no network say ``publishes=False``.
    """
    if steps < 2:
        raise ValueError(f"steps: {steps} is too small; at least 2, for a break in the middle")
    known = registry or _registry(recipe_class)
    configured(recipe_class, "recipe", options)
    with TemporaryDirectory() as place, _isolated(Path(place) / "cache"):
        plan = _plan(recipe_class, options or {}, folder or photo_folders(Path(place)), known)
        trial = Trial(recipe_class, plan, known, Path(place) / "runs")
        run = _check_resume(trial, steps)
        _check_given(trial)
        if publishes:
            _check_export(trial, run)


def _registry(recipe_class: type[Recipe[Any]]) -> Registry:
    """Return all installed plugins and that of this recipe: the module of its class, or a package around it."""
    registry = build_registry()
    if recipe_class in registry.recipes.values():
        return registry
    name = recipe_class.__module__
    while name:
        module: object = sys.modules.get(name)
        if callable(getattr(module, "henshin_recipes", None)):
            break
        name = name.rpartition(".")[0]
    else:
        module = SimpleNamespace(henshin_recipes=hookimpl(lambda: [recipe_class], specname="henshin_recipes"))
    try:
        registry.register(module, f"{recipe_class.__module__} (tested)")
    except HenshinError as error:
        raise AssertionError(str(error)) from error
    return registry


@contextmanager
def _isolated(cache: Path) -> Iterator[None]:
    """Use one thread, separate random numbers and a temporary cache within."""
    before, threads = os.environ.get("HENSHIN_CACHE"), torch.get_num_threads()
    os.environ["HENSHIN_CACHE"] = str(cache)
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        del os.environ["HENSHIN_CACHE"]
        if before is not None:
            os.environ["HENSHIN_CACHE"] = before


def _plan(recipe: type[Recipe[Any]], options: Mapping[str, Any], base: Path, registry: Registry) -> RunPlan:
    """Read the options as a run's YAML in the folder `base`. Errors: AssertionError with all problems."""
    assert registry.recipes.get(recipe.name) is recipe, f"recipe '{recipe.name}' is not that of the registry"
    file = base / f".check_{recipe.name}_{os.getpid()}.yaml"
    file.write_text(json.dumps({"recipe": recipe.name, **options}, default=str), encoding="utf-8")
    try:
        return load_run(file, registry)
    except PipelineError as error:
        message = "; ".join(problem.message for problem in error.problems)
        raise AssertionError(f"recipe '{recipe.name}': {message}") from error
    finally:
        file.unlink()


def _check_resume(trial: Trial, steps: int) -> TrainingRun:
    """Train without and with an interruption; return the uninterrupted run."""
    run, whole = trial.run("whole", steps)
    assert run.steps == steps, f"{trial.name} stops after {run.steps} steps; give it options for at least {steps}"
    _, half = trial.run("broken", steps // 2)
    assert _different(half, whole), (
        f"{trial.name}: nothing that it tracks has changed from step {steps // 2} to step {steps}: it learns nothing, "
        "or tracks other networks than it trains"
    )
    _, resumed = trial.run("broken", steps, resume=True)
    place = _different(whole, resumed)
    if place is None:
        return run
    _, again = trial.run("again", steps)
    if _different(whole, again):
        reason = "so do two runs without: draw from run.rng, or from PyTorch's own generator, whose states are saved"
    else:
        reason = "run.track() everything that changes while it learns, optimisers too, before the first run.step()"
    raise AssertionError(f"{trial.name}: stopped at step {steps // 2} and resumed, '{place}' becomes another; {reason}")


def _different(one: Any, other: Any, path: str = "") -> str | None:
    """Return the path of the first bitwise difference between two states, or None."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(filter(None, (_different(one[key], other[key], f"{path}.{key}") for key in one)), None)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (_different(a, b, f"{path}.{i}") for i, (a, b) in pairs)), None)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    else:
        same = type(one) is type(other) and one == other
    return None if same else path.removeprefix(".")


def _check_given(trial: Trial) -> None:
    """Check the range of the pictures given to the networks that `run.generator` made."""
    low, high = trial.observed.low, trial.observed.high
    if low > high:  # samplers take no pictures
        return
    right = low > -FAR and high < FAR and not (low >= 0 and high > 0)
    message = f"{trial.name} calls its networks with values from {low:.3g} to {high:.3g}"
    assert right, f"{message}; pictures are in [-1, 1] there, whatever range a generator has"


def _check_export(trial: Trial, run: TrainingRun) -> None:
    """Export what a run publishes, and compare the model with the recipe's network."""
    published = load_description(run.folder)["publish"].get("")
    assert published, (
        f"{trial.name} says of no network that it is the one to export; call run.publish(choice, state), or say "
        "publishes=False"
    )
    file = run.folder / "model.onnx"
    try:
        source = from_run(run.folder, trial.registry)
        if source.generator.kind not in ("translator", "sampler", "encoder"):
            return
        contract = export(source, file, [])
    except HenshinError as error:
        raise AssertionError(f"{trial.name}: what it publishes cannot be exported: {error}") from error
    network = run.generator(NetworkChoice(use=published["generator"], **published["config"]))
    network.load_state_dict(source.network.state_dict())
    unit = "thousandths" if contract.kind == "encoder" else "grey levels"
    difference = _difference(network.eval(), file, contract)
    assert difference <= CLOSE, (
        f"{trial.name}: the exported model differs by {difference} {unit} from what "
        f"'{source.generator.name}' gave the recipe in training; its value_range or channel_order is another one than "
        "that of the pictures it was given"
    )


@torch.inference_mode()
def _difference(network: nn.Module, file: Path, contract: Contract) -> int:
    """Return the largest difference between a model and a network of RGB in [-1, 1], in grey levels.

    For an encoder, in thousandths of its largest value.
    """
    model = OnnxSession(file, Device("cpu"))
    ((port,), (result,)) = model.inputs, model.outputs
    trials = {
        "translator": picture_trials([], contract.size_multiple, contract.preferred_size),
        "encoder": square_trials([], contract.preferred_size or 0),
    }.get(contract.kind)
    worst = 0
    for trial in trials or noise_trials(contract.latent_shape or ()):
        value = torch.from_numpy(trial.batch)
        if trials is not None:
            value = value.permute(0, 3, 1, 2).float() / 127.5 - 1
        if contract.kind == "encoder":
            wanted, latents = network(value).numpy(), model.run({port.name: trial.batch})[result.name]
            worst = max(worst, int(np.ceil(1000 * np.abs(wanted - latents).max() / np.abs(wanted).max())))
            continue
        seen = ((network(value) + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
        got = model.run({port.name: trial.batch})[result.name]
        worst = max(worst, int(np.abs(seen.astype(int) - got.astype(int)).max()))
    return worst

"""The contract of a recipe: a plugin that trains generators, started with one YAML a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from henshin.api.generator import GeneratorRegistry
from henshin.api.training_data import PictureData
from henshin.config.options import OptionPath, find_models
from henshin.models.contract import Kind

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from henshin.api.stage import Stage
    from henshin.images.picture import Picture


@dataclass(frozen=True, slots=True)
class NetworkOption:
    """Requirements that a ``NetworkChoice`` has for its generator: its ``kind`` and its ``scale``; None is any.

    A ``scale`` of "larger" is any above 1. A ``plain`` generator must itself work in RGB in [-1, 1]: for others the
    run converts ``forward`` alone, and the recipe calls other methods too.
    """

    kind: Kind | None = "translator"
    scale: int | Literal["larger"] | None = 1
    plain: bool = False


class RecipeConfig(BaseModel):
    """All options of a run's YAML, besides `recipe:` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their present names, for the error message about a file with former names."""

    seed: int = Field(0, ge=0, le=2**63 - 1, description="Seed of every random draw of the run.")

    def picture_sizes(self) -> dict[OptionPath, int]:
        """Return the sides of the pictures given to translators, by option: multiples of ``size_multiple``.

        By default those of the data; a recipe that uses other sizes too adds them: ``{("grow", "64"): 64}``.
        """
        return {(*path, "size"): data.size for path, data in find_models(self, PictureData)}


class NetworkChoice(BaseModel):
    """`{use: NAME, option: value, ...}`: a generator plugin and its options, checked against that plugin's Config.

    The generator must be a translator of scale 1, unless the option's type is `Annotated[NetworkChoice,
    NetworkOption(...)]` or a `SamplerChoice`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    use: str = Field(description="Name of a generator; its options stand next to it.")

    @model_validator(mode="before")
    @classmethod
    def _check_mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"'{value}' is not a mapping of options; write {{use: {value}}}")
        return value

    @property
    def options(self) -> dict[str, Any]:
        """The options next to `use`, not yet checked."""
        return dict(self.model_extra or {})


SamplerChoice = Annotated[NetworkChoice, NetworkOption(kind="sampler", scale=None)]
"""A generator that makes pictures from noise."""


def constant_then_linear(step: int, steps: int, decay: float) -> float:
    """Return the factor of the learning rate: 1, then linear to 0 over the last share ``decay`` (0..1) of the steps.

    Zhu et al. 2017.
    """
    return min(1.0, (steps - step) / max(steps * decay, 1.0))


class ScheduledConfig(RecipeConfig):
    """Length and learning rate of a recipe that goes over its pictures epoch by epoch."""

    epochs: int = Field(200, ge=1, le=1_000_000, description="Passes over the training pictures.")
    steps: int | None = Field(None, ge=1, le=10**9, description="Steps of training, in place of `epochs`.")
    batch: int = Field(1, ge=1, le=65_536, description="Pictures of each set in a step.")
    learning_rate: float = Field(2e-4, gt=0, le=1, description="Adam's learning rate.")
    decay: float = Field(0.5, ge=0, le=1, description="Last part of the training, over which the rate falls to zero.")
    drops: dict[Annotated[int, Field(ge=1, le=1_000_000)], Annotated[float, Field(gt=0, le=100)]] = Field(
        {}, description="`{120: 0.1}`: from epoch 120 on the learning rate is a tenth; several multiply."
    )
    sheet_every: int | None = Field(
        None, ge=1, le=10**9, description="Steps between sample sheets; without it, an epoch."
    )

    def epoch(self, pictures: int) -> int:
        """Return the steps of one epoch over so many pictures."""
        return -(-pictures // self.batch)

    def length(self, pictures: int) -> int:
        """Return the steps of the whole training."""
        return self.steps or self.epochs * self.epoch(pictures)

    def rate(self, step: int, pictures: int) -> float:
        """Return the learning rate of a step, counted from 0: constant, then linear to zero, times the drops so far."""
        length, rate = self.length(pictures), self.learning_rate
        for epoch, factor in self.drops.items():
            if step >= epoch * self.epoch(pictures):
                rate *= factor
        return rate * constant_then_linear(step, length, self.decay)


class EvaluatedConfig(RecipeConfig):
    """Measurement of a translator while it is trained, on the pictures that are held out of ``data.a`` and ``data.b``.

    It is for recipes whose ``data`` is an ``UnpairedData`` or ``PairedData``, and which publish a translator.
    """

    evaluate_every: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="Steps between measurements of the held-out pictures: KID, style-ratio, variety, kept. The state "
        "with the lowest KID is kept, for `henshin export --best`. Null: none.",
    )
    evaluate_by: Literal["efficientnet-lite0", "vgg19", "inception"] = Field(
        "efficientnet-lite0",
        description="Network of the features that are measured. One that a loss or discriminator uses is no judge.",
    )


class PluginRegistry(GeneratorRegistry, Protocol):
    """Generators, recipes and stages by name."""

    @property
    def stages(self) -> Mapping[str, type[Stage[Any]]]:
        """All registered stages."""

    def stage(self, name: str) -> type[Stage[Any]]:
        """Return the stage class of this name. Errors: HenshinError with what would be right."""


class Run(Protocol):
    """One training run, as a recipe sees it: its device and precision, its checkpoints and its log.

    ``steps`` counts the completed steps, ``rng`` is a numpy generator whose state is in every checkpoint, ``folder``
    is the folder of the run. A recipe builds, prepares and tracks, then ``while run.step():`` loads, learns and logs.
    """

    device: torch.device
    folder: Path
    steps: int
    rng: np.random.Generator

    @property
    def registry(self) -> PluginRegistry:
        """The plugins of this run."""

    def say(self, line: str, /) -> None:
        """Print a line for the user."""

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        """Return the folders that a data option names, relative to the run's YAML. Errors: HenshinError."""

    def place(self, value: str) -> Path:
        """Return the path of a file or folder that an option names, relative to the run's YAML."""

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build the network of a generator plugin, by a run's option, or by its name and options."""

    def prepare(self, *things: Any, compiled: bool | None = None) -> Any:
        """Return networks and optimisers prepared for the device and precision of the run.

        A run that compiles compiles the networks that ``generator`` built; with ``compiled=True`` all of these, with
        False none: no loss can be differentiated twice through a compiled network.
        """

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss, scaled where the precision needs it."""

    def publish(
        self, choice: NetworkChoice, state: str, prefix: str = "", size: int | None = None, part: str = ""
    ) -> None:
        """Name the weights for `henshin export`: of the tracked ``state``, the tensors that begin with ``prefix``.

        A run without this call publishes the one network that it built by ``generator`` and tracks.
        """

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Set the steps of the run, and of an epoch; without it, only the command line's limits end the run."""

    def track(self, **state: Any) -> None:
        """Name everything that a checkpoint holds, each with ``state_dict``; with `--resume`, load the last one."""

    def step(self) -> bool:
        """Begin the next step, after a checkpoint when one is due. Return False, with everything saved, at the end."""

    def every(self, steps: int) -> bool:
        """Return whether this is one of every ``steps`` steps, or the last one. For sample grids, not for learning."""

    def log(self, step: int, **scalars: Tensor | float) -> None:
        """Record the values of a step; their means are written and printed now and then."""

    def sheet(self, name: str, rows: Sequence[Tensor | Sequence[Picture]], names: Sequence[str] = ()) -> None:
        """Write a grid of samples: a named row for each (N, 3, H, W) in [-1, 1] or list of pictures."""

    def save(self) -> None:
        """Write a checkpoint now."""


RecipeConfigT = TypeVar("RecipeConfigT", bound=RecipeConfig)


class Recipe(Generic[RecipeConfigT]):
    """The training of one or more generators. ``train`` imports its ``recipe.py``, which reads from top to bottom."""

    name: ClassVar[str]
    Config: ClassVar[type[RecipeConfig]] = RecipeConfig

    def __init__(self, config: RecipeConfigT) -> None:
        self.config = config

    def train(self, run: Run) -> None:
        """Train until ``run.step()`` returns False."""
        raise NotImplementedError(f"recipe '{self.name}' has no train()")

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
    """Marks a ``NetworkChoice`` with what its generator must be: its ``kind`` and its ``scale``; None is any.

    A ``scale`` of "larger" is any above 1.
    ``plain``: it must speak RGB in [-1, 1] itself, for the recipe calls more of it than ``forward``, which alone is
    converted.
    """

    kind: Kind | None = "translator"
    scale: int | Literal["larger"] | None = 1
    plain: bool = False


class RecipeConfig(BaseModel):
    """Everything that the YAML of a run may say, besides `recipe:` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their names of today: a file that says the former is told the other."""

    seed: int = Field(0, ge=0, le=2**63 - 1, description="Seed of every random draw of the run.")

    def picture_sizes(self) -> dict[OptionPath, int]:
        """Sides of the pictures that translators are shown, by option; they must be multiples of what those take.

        Those of the data; a recipe that also shows other sizes adds them: ``{("grow", "64"): 64}``.
        """
        return {(*path, "size"): data.size for path, data in find_models(self, PictureData)}


class NetworkChoice(BaseModel):
    """`{use: NAME, option: value, ...}`: a generator plugin and its options, checked against that plugin's Config.

    What is chosen must be a translator of scale 1, unless the option's type is `Annotated[NetworkChoice,
    NetworkOption(...)]` or a `SamplerChoice`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    use: str = Field(description="Name of a generator plugin; the options of that plugin stand beside it.")

    @model_validator(mode="before")
    @classmethod
    def _beside_options(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"'{value}' is not a mapping of options; write {{use: {value}}}")
        return value

    @property
    def options(self) -> dict[str, Any]:
        """The options beside `use`, not yet checked."""
        return dict(self.model_extra or {})


SamplerChoice = Annotated[NetworkChoice, NetworkOption(kind="sampler", scale=None)]
"""A generator that draws pictures from noise."""


class ScheduledConfig(RecipeConfig):
    """A recipe that goes over its pictures epoch by epoch: how long, and how fast."""

    epochs: int = Field(200, ge=1, le=1_000_000, description="How often the training pictures are gone through.")
    steps: int | None = Field(None, ge=1, le=10**9, description="Steps of training, in place of `epochs`.")
    batch: int = Field(1, ge=1, le=65_536, description="Pictures of each set a step.")
    learning_rate: float = Field(2e-4, gt=0, le=1, description="Adam's.")
    decay: float = Field(0.5, ge=0, le=1, description="Last part of the training, over which the rate falls to zero.")
    drops: dict[Annotated[int, Field(ge=1, le=1_000_000)], Annotated[float, Field(gt=0, le=100)]] = Field(
        {}, description="`{120: 0.1}`: from epoch 120 on the learning rate is a tenth; several multiply."
    )
    sheet_every: int | None = Field(
        None, ge=1, le=10**9, description="Steps between sample sheets; without it, an epoch."
    )

    def epoch(self, pictures: int) -> int:
        """Steps of one epoch over so many pictures."""
        return -(-pictures // self.batch)

    def length(self, pictures: int) -> int:
        """Steps of the whole training."""
        return self.steps or self.epochs * self.epoch(pictures)

    def rate(self, step: int, pictures: int) -> float:
        """The learning rate of a step, counted from 0: constant, then linear to zero, with the drops said."""
        length, rate = self.length(pictures), self.learning_rate
        for epoch, factor in self.drops.items():
            if step >= epoch * self.epoch(pictures):
                rate *= factor
        return rate * min(1.0, (length - step) / max(length * self.decay, 1.0))


class PluginRegistry(GeneratorRegistry, Protocol):
    """Generators, recipes and stages by name."""

    @property
    def stages(self) -> Mapping[str, type[Stage[Any]]]:
        """All stages that are registered."""

    def stage(self, name: str) -> type[Stage[Any]]:
        """Return the stage class of this name. Errors: HenshinError with what would be right."""


class Run(Protocol):
    """What a recipe is given: one run, its device and precision, its checkpoints and its log.

    ``steps`` counts the steps that are done, ``rng`` is a numpy generator whose state is in every checkpoint,
    ``folder`` is the run's own. A recipe reads: build, prepare, track, ``while run.step():`` draw, learn, log.
    """

    device: torch.device
    folder: Path
    steps: int
    rng: np.random.Generator

    @property
    def registry(self) -> PluginRegistry:
        """The plugins of this run."""

    def say(self, line: str, /) -> None:
        """Tell the user a line."""

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        """Return the folders that a data option names, relative to the run's YAML. Errors: HenshinError."""

    def place(self, value: str) -> Path:
        """Return the path of a file or folder that an option names, relative to the run's YAML."""

    def generator(self, choice: NetworkChoice | str, options: Mapping[str, Any] | None = None) -> nn.Module:
        """Build the network of a generator plugin, by a run's option, or by its name and options."""

    def prepare(self, *things: Any, compiled: bool | None = None) -> Any:
        """Put networks on the device and under the precision of the run, and optimisers beside them.

        Where the run compiles, it compiles the networks of ``generator``; ``compiled=True`` all of these, False none:
        through a compiled network no loss can be differentiated twice.
        """

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss, as the precision wants them computed."""

    def publish(
        self, choice: NetworkChoice, state: str, prefix: str = "", size: int | None = None, part: str = ""
    ) -> None:
        """Say what `henshin export` shall take: of the tracked ``state``, the tensors that begin with ``prefix``.

        A run that does not say publishes the one network that it built by ``generator`` and tracks.
        """

    def until(self, steps: int, epoch: int | None = None) -> None:
        """Say how many steps the run has in all, and an epoch; without it, only the command line's limits end it."""

    def track(self, **state: Any) -> None:
        """Name everything a checkpoint holds (each with ``state_dict``); go on from the last one with `--resume`."""

    def step(self) -> bool:
        """Begin the next step; saves when due. False, with everything saved: stop now."""

    def every(self, steps: int) -> bool:
        """Is this one of every ``steps`` steps? For sheets also in the last step; it is for looks, not for learning."""

    def log(self, step: int, **scalars: Tensor | float) -> None:
        """Note the values of a step; their means are written down and told now and then."""

    def sheet(self, name: str, rows: Sequence[Tensor | Sequence[Picture]], names: Sequence[str] = ()) -> None:
        """Write a sheet of samples: a row for each (N, 3, H, W) in [-1, 1], or list of pictures; each with its name."""

    def save(self) -> None:
        """Write a checkpoint now."""


RecipeConfigT = TypeVar("RecipeConfigT", bound=RecipeConfig)


class Recipe(Generic[RecipeConfigT]):
    """Trains one or more generators. ``train`` imports its heavy ``recipe.py``, which reads from top to bottom."""

    name: ClassVar[str]
    Config: ClassVar[type[RecipeConfig]] = RecipeConfig

    def __init__(self, config: RecipeConfigT) -> None:
        self.config = config

    def train(self, run: Run) -> None:
        """Train until ``run.step()`` says False."""
        raise NotImplementedError(f"recipe '{self.name}' has no train()")

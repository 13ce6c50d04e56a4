"""The contract of a recipe: a plugin that trains generators, started with one YAML a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from henshin.api.generator import Kind
from henshin.config.options import Where, marked, within

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from henshin.api.frame import Picture
    from henshin.registry import Registry


@dataclass(frozen=True, slots=True)
class FolderOption:
    """Marks an option of a recipe whose value is a folder, relative to the run's YAML.

    That it is there is checked before anything runs; with ``pictures`` also that it holds some. A model says of it
    its last name alone, for where pictures lie is nobody's business.
    """

    pictures: bool = True


FolderName = Annotated[str, FolderOption()]
"""A folder of pictures that a recipe reads; ``run.folders(value)`` gives its path."""
FolderNames = FolderName | Annotated[tuple[FolderName, ...], Field(min_length=1)]
"""One such folder, or a list of them."""


@dataclass(frozen=True, slots=True)
class StartOption:
    """Marks an option that names weights to begin with; that they are there is checked before anything runs."""


StartName = Annotated[str, StartOption()]
"""A run's folder, or a .safetensors file, relative to the run's YAML; ``run.place(value)`` gives its path."""


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

    seed: int = Field(0, ge=0, le=2**63 - 1, description="Seed of every random draw of the run.")

    def picture_sizes(self) -> dict[Where, int]:
        """Sides of the pictures that translators are shown, by option; they must be multiples of what those take.

        Those of the data; a recipe that also shows other sizes adds them: ``{("grow", "64"): 64}``.
        """
        return {(*path, "size"): data.size for path, data in within(self, PictureData)}


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


class FolderData(BaseModel):
    """What every kind of training data has in common: folders of pictures, of which some are held out."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    apart: ClassVar[bool] = False
    """Are the folders of one option sets of their own, each with its held-out pictures?"""

    flip: bool = Field(True, description="Mirror each picture with an even chance.")
    duplicates: Literal["report", "drop", "ignore"] = Field(
        "report",
        description="Near-duplicates: list them, or `drop` all but one; of a held-out picture, those in training.",
    )
    hold_out: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Pictures of each folder option, chosen by the hash of their names, never trained on.",
    )

    @property
    def side(self) -> int:
        """Shorter side at which pictures are kept, pixels; 0 where each keeps its own size."""
        return 0

    def folder_options(self) -> dict[str, str | tuple[str, ...]]:
        """The options that name folders of pictures, with their values: `{"a": "photos", "b": "drawings"}`."""
        found = marked(self, FolderOption)
        own = (path for path, _, mark in found if mark.pictures and not any(isinstance(key, str) for key in path[1:]))
        return {name: getattr(self, name) for name in dict.fromkeys(str(path[0]) for path in own)}


class PictureData(FolderData):
    """Training data whose pictures are all brought to one size."""

    size: int = Field(256, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")
    crop: Literal["middle", "random"] = Field(
        "middle",
        description="`middle`: the middle square of each picture, brought to `size`; `random`: brought to `load`, and "
        "another square of `size` cut out at each draw.",
    )
    load: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Side to which the shorter side of each picture is brought before a random crop, pixels; without "
        "it, `size` * 286 / 256.",
    )
    small: Literal["enlarge", "skip", "fail"] = Field(
        "enlarge", description="What becomes of pictures whose shorter side is below `size`."
    )

    @field_validator("load")
    @classmethod
    def _holds_the_crop(cls, load: int | None, info: ValidationInfo) -> int | None:
        size = info.data.get("size", 0)
        if load is not None and load < size:
            raise ValueError(f"{load} is too small; at least {size}, the size of the crop")
        if load is not None and info.data.get("crop") == "middle":
            raise ValueError("goes with crop: random; the middle square is brought to size")
        return load

    @property
    def side(self) -> int:
        """Shorter side at which pictures are kept, pixels."""
        if self.crop == "middle":
            return self.size
        return self.load or round(self.size * 286 / 256)


class UnpairedData(PictureData):
    """Two sets of pictures that need not correspond."""

    a: FolderNames = Field(description="Folder, or folders, of the domain to translate from (photos).")
    b: FolderNames = Field(description="Folder, or folders, of the domain to translate to (drawings).")


class PairedData(PictureData):
    """Pairs of pictures: a file below `a` and the one of the same relative name, without suffix, below `b`."""

    a: FolderNames = Field(description="Folder, or folders, of the pictures to translate from.")
    b: FolderNames = Field(description="Folder, or folders, of what each of them should become.")


class SetData(PictureData):
    """One set of pictures, for networks that draw from noise."""

    pictures: FolderNames = Field(description="Folder, or folders, of the pictures to learn from.")


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


class Run(Protocol):
    """What a recipe is given: one run, its device and precision, its checkpoints and its log.

    ``steps`` counts the steps that are done, ``rng`` is a numpy generator whose state is in every checkpoint,
    ``folder`` is the run's own. A recipe reads: build, prepare, track, ``while run.step():`` draw, learn, log.
    """

    registry: Registry
    device: torch.device
    folder: Path
    steps: int
    rng: np.random.Generator

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

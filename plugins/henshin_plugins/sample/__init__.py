"""Plugin: `sample`, pictures drawn from noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from henshin import Context, Frame, PictureError, Stage, StageConfig, hookimpl
from henshin.stage import AmountOption, ModelOption
from henshin.words import name_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from henshin import Model

_DIGITS = 6


class SampleConfig(StageConfig):
    """Which model, how many pictures, and from which noise."""

    model: Annotated[str, ModelOption(kind="sampler")] = Field(
        description="A sampler: its name, or the path of an .onnx file; NAME is NAME-mapping and NAME-synthesis."
    )
    count: Annotated[int, AmountOption()] = Field(
        default=16, ge=1, le=10**_DIGITS, description="How many pictures; more of them leave the others as they are."
    )
    seed: int = Field(
        default=0, ge=0, le=2**63 - 1, description="Another seed, other pictures; number i depends on seed and i alone."
    )
    truncation: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Below 1 pictures come closer to the model's mean one, less varied, with some models cleaner "
        "and with others paler: how far styles go from their mean, or, without a mapping, a factor on the noise.",
    )
    name: str = Field(default="sample", description="Beginning of the names: NAME-000000, NAME-000001, ...")

    @field_validator("name")
    @classmethod
    def _a_name(cls, value: str) -> str:
        problem = name_problem(value)
        if problem:
            raise ValueError(problem)
        return value


class Sample(Stage[SampleConfig]):
    """Draw pictures from noise with a sampler. It stands first and takes no input.

    Picture i is drawn from `numpy.random.default_rng([seed, i]).standard_normal(D)`.
    """

    name = "sample"
    Config = SampleConfig
    works_on = "source"

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError when it draws nothing from vectors of noise."""
        from henshin import HenshinError

        self.model: Model = context.model(self.config.model)
        contract = self.model.contract
        if contract.kind != "sampler":
            raise HenshinError(f"sample.model: '{self.config.model}' is a {contract.kind}, and a sampler is wanted")
        if contract.latent_shape is None or len(contract.latent_shape) != 1:
            raise HenshinError(f"sample.model: '{self.config.model}' does not say from how many numbers it draws")
        self.length = contract.latent_shape[0]
        context.log.info("sample: %s on %s", contract.name, self.model.describe())

    def sources(self) -> Sequence[str]:
        """Name what will be drawn."""
        return [self._named(number) for number in range(self.config.count)]

    def frames(self) -> Iterator[Frame]:
        """Draw batch by batch, and give the pictures one by one; what a batch is changes none of them."""
        import numpy as np

        size = self.model.samples_at_once
        for first in range(0, self.config.count, size):
            numbers = range(first, min(first + size, self.config.count))
            pictures = self.model.sample(np.stack([*map(self._noise, numbers)]), self.config.truncation)
            for number, drawn in zip(numbers, pictures, strict=True):
                name = self._named(number)
                if isinstance(drawn, PictureError):
                    yield Frame(name, name, np.zeros((1, 1, 3), np.uint8), error=drawn)
                else:
                    yield Frame(name, name, drawn)

    def _noise(self, number: int) -> npt.NDArray[np.float32]:
        import numpy as np

        return np.random.default_rng([self.config.seed, number]).standard_normal(self.length).astype(np.float32)

    def _named(self, number: int) -> str:
        return f"{self.config.name}-{number:0{_DIGITS}d}"


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Sample]

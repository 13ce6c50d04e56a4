"""Plugin: `sample`, pictures drawn from noise, one by one or in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from henshin import Context, Frame, HenshinError, PictureError, Stage, StageConfig, hookimpl
from henshin.api.stage import AmountOption, ModelOption
from henshin.config.block_range import BlockRange
from henshin.text import name_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from henshin import Model, Picture

_DIGITS = 6
_USES = {
    "count": ("pictures", "grid"),
    "columns": ("grid", "mixing"),
    "rows": ("mixing", "between"),
    "steps": ("between",),
    "space": ("between",),
    "mix": ("mixing",),
    "cell": ("grid", "mixing", "between"),
    "gap": ("grid", "mixing", "between"),
}
"""The layouts in which an option has a say."""


class SampleConfig(StageConfig):
    """Which model, how many pictures, from which noise, and how they are laid out."""

    model: Annotated[str, ModelOption(kind="sampler")] = Field(
        description="A sampler: its name, or the path of an .onnx file; NAME is NAME-mapping and NAME-synthesis."
    )
    layout: Literal["pictures", "grid", "mixing", "between"] = Field(
        default="pictures",
        description="One file for each picture; or one figure, NAME-LAYOUT: all pictures in a grid; a table that mixes "
        "the styles of its top row and left column; strips that go from one picture to another.",
    )
    count: Annotated[int, AmountOption()] = Field(
        default=64,
        ge=1,
        le=10**_DIGITS,
        description="How many pictures (layouts pictures and grid); more of them leave the others as they are.",
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
    columns: int = Field(
        default=8, ge=1, le=256, description="grid: pictures side by side; mixing: pictures in the top row."
    )
    rows: int = Field(default=4, ge=1, le=256, description="mixing: pictures in the left column; between: strips.")
    steps: int = Field(default=8, ge=2, le=256, description="between: pictures of a strip, its two ends included.")
    space: Literal["z", "w"] | None = Field(
        default=None,
        description="between: along the sphere of the noise (z), or straight from style to style (w); null: w where "
        "the model has a mapping, else z.",
    )
    mix: BlockRange = Field(
        default=BlockRange.model_validate({"from": 1, "to": 2}),
        description="mixing: {from: 1, to: 2} takes blocks 1 to 2 from the left column, which are those of 4 and 8 "
        "pixels and of what is coarse, and the others from the top row; `last: 2` names the final ones.",
    )
    cell: int | None = Field(
        default=None, ge=8, le=4096, description="Side of a picture in a figure, in pixels; null: as it is drawn."
    )
    gap: int = Field(default=4, ge=0, le=512, description="White pixels between the pictures of a figure.")
    name: str = Field(
        default="sample", description="Beginning of the names: NAME-000000, NAME-000001, ..., or NAME-grid."
    )

    @field_validator("name")
    @classmethod
    def _a_name(cls, value: str) -> str:
        problem = name_problem(value)
        if problem:
            raise ValueError(problem)
        return value

    @field_validator(*_USES)
    @classmethod
    def _has_a_say(cls, value: object, info: ValidationInfo) -> object:
        layout, uses = info.data.get("layout"), _USES[str(info.field_name)]
        if layout is not None and layout not in uses:
            raise ValueError(f"is for layout {' or '.join(uses)}, and this one is '{layout}'")
        return value


class Sample(Stage[SampleConfig]):
    """Draw pictures from noise with a sampler, one by one or in a figure. It stands first and takes no input.

    Picture i is drawn from `numpy.random.default_rng([seed, i]).standard_normal(D)`, in a figure too. A mixing table
    has the pictures 0, 1, ... in its top row and goes on with them in its left column; each picture inside takes the
    blocks of `mix` from the left and the others from above (Karras et al. 2019). Strips go from picture 0 to 1, from 2
    to 3, ...
    """

    name = "sample"
    Config = SampleConfig
    works_on = "source"

    def depends_on(self) -> Mapping[str, str]:
        """Say how many pictures a grid has: other than of single pictures, that changes it."""
        return {"count": str(self.config.count)} if self.config.layout == "grid" else {}

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError when it draws nothing from noise, or not what the layout is made of."""
        self.model: Model = context.model(self.config.model)
        contract = self.model.contract
        if contract.kind != "sampler":
            raise HenshinError(f"sample.model: '{self.config.model}' is a {contract.kind}, and a sampler is wanted")
        if contract.latent_shape is None or len(contract.latent_shape) != 1:
            raise HenshinError(f"sample.model: '{self.config.model}' does not say from how many numbers it draws")
        if self.config.layout != "pictures":
            from henshin_plugins.sample.grids import check

            check(self.config, self.model)
        self.length = contract.latent_shape[0]
        context.log.info("sample: %s on %s", contract.name, self.model.describe())

    def sources(self) -> Sequence[str]:
        """Name what will be drawn."""
        if self.config.layout != "pictures":
            return [f"{self.config.name}-{self.config.layout}"]
        return [f"{self.config.name}-{number:0{_DIGITS}d}" for number in range(self.config.count)]

    def frames(self) -> Iterator[Frame]:
        """Draw and give the pictures one by one, or the figure; what a batch is changes none of them."""
        names = self.sources()
        if self.config.layout != "pictures":
            from henshin_plugins.sample.grids import figure

            yield _frame(names[0], figure(self.config, self.model))
            return
        from henshin.runtime.latents import numbered_noise

        size = self.model.samples_at_once
        for first in range(0, len(names), size):
            part = names[first : first + size]
            noise = numbered_noise(self.config.seed, range(first, first + len(part)), self.length)
            pictures = self.model.sample(noise, self.config.truncation)
            for name, drawn in zip(part, pictures, strict=True):
                yield _frame(name, drawn)


def _frame(name: str, drawn: Picture | PictureError) -> Frame:
    """Return what was drawn, or why it was not."""
    import numpy as np

    if isinstance(drawn, PictureError):
        return Frame(name, name, np.zeros((1, 1, 3), np.uint8), error=drawn)
    return Frame(name, name, drawn)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Sample]

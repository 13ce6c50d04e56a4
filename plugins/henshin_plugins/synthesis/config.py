"""Options of the stage `synthesis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from henshin import StageConfig
from henshin.config.block_range import BlockRange
from henshin.config.options import ModelOption

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


if TYPE_CHECKING:
    Latents = npt.NDArray[np.float32]

LatentsName = Annotated[str, Field(min_length=1, max_length=100)]


class SwapConfig(BlockRange):
    """A range of blocks that use other latents, counted from 1, the one of 4 pixels."""

    latents: LatentsName = Field(description="Name of their latents.")


class ConcatenatedConfig(BaseModel):
    """Latents combined from several names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: LatentsName = Field(description="Name of the latents of the other blocks.")
    swap: SwapConfig | Annotated[tuple[SwapConfig, ...], Field(min_length=1)] = Field(
        description="Blocks that use other latents, or a list of such; later ones override earlier ones."
    )

    @property
    def swaps(self) -> tuple[SwapConfig, ...]:
        """All swaps."""
        return self.swap if isinstance(self.swap, tuple) else (self.swap,)


class SynthesisConfig(StageConfig):
    """Options of `synthesis`."""

    model: Annotated[str, ModelOption(kind="synthesis")] = Field(
        description="A StyleGAN2: NAME of NAME-mapping and NAME-synthesis, or the synthesis alone."
    )
    latents: LatentsName | ConcatenatedConfig = Field(
        default="latent",
        description="Name of the latents, as in inversion's `name`. Or combined latents, `{base: NAME, swap: {from: 4, "
        "to: 5, latents: OTHER}}`: these blocks, counted from 1, the one of 4 pixels, use OTHER, the rest NAME; "
        "`last: 2` names the final ones, and swap may be a list.",
    )
    truncation: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor on the distance of styles from their mean; below 1 pictures are closer to the model's mean "
        "one. It needs NAME-mapping, which holds the mean.",
    )

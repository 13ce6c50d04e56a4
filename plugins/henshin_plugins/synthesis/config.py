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
    """Which blocks draw from other latents, counted from 1, the one of 4 pixels."""

    latents: LatentsName = Field(description="From which: a name.")


class ConcatenatedConfig(BaseModel):
    """Latents of several names in one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: LatentsName = Field(description="From which latents the other blocks draw: a name.")
    swap: SwapConfig | Annotated[tuple[SwapConfig, ...], Field(min_length=1)] = Field(
        description="Which blocks draw from others, or a list of such; the later ones go before the earlier."
    )

    @property
    def swaps(self) -> tuple[SwapConfig, ...]:
        """All swaps."""
        return self.swap if isinstance(self.swap, tuple) else (self.swap,)


class SynthesisConfig(StageConfig):
    """Which model draws, from which latents."""

    model: Annotated[str, ModelOption(kind="synthesis")] = Field(
        description="A StyleGAN2: NAME of NAME-mapping and NAME-synthesis, or the synthesis alone."
    )
    latents: LatentsName | ConcatenatedConfig = Field(
        default="latent",
        description="From which: the `name` that inversion gave them. Or concatenated, `{base: NAME, swap: {from: 4, "
        "to: 5, latents: OTHER}}`: these blocks, counted from 1, the one of 4 pixels, draw from OTHER, the rest from "
        "NAME; `last: 2` names the final ones, and swap may be a list.",
    )
    truncation: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Below 1 pictures come closer to the model's mean one: how far styles go from their mean. It wants "
        "NAME-mapping, which knows the mean.",
    )

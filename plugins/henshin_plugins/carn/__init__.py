"""CARN: fast, accurate and lightweight super-resolution with a cascading residual network (Ahn et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from henshin import Generator, GeneratorConfig, hookimpl

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor, nn


class CarnConfig(GeneratorConfig):
    """Defaults are CARN-M, 414,787 parameters for three scales; `group: 1, recursive: false` is CARN, 1,591,939."""

    width: int = Field(64, ge=4, le=256, description="Channels of all layers.")
    group: int = Field(
        4, ge=1, le=64, description="Groups of the 3x3 convolutions: a divisor of `width`; 1 is the larger network."
    )
    recursive: bool = Field(True, description="Use one residual block three times over in place of three.")
    scales: tuple[Literal[2, 3, 4], ...] = Field(
        (2, 3, 4), min_length=1, max_length=3, description="How far it enlarges; each scale becomes a model of its own."
    )

    @field_validator("scales")
    @classmethod
    def _different(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError("names a scale twice")
        return scales

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.group:
            raise ValueError(f"group must divide width (group is {self.group}, width is {self.width})")
        return self


class Carn(Generator[CarnConfig]):
    """Cascading residual network: every block sees all blocks before it; sub-pixel enlargement."""

    name = "carn"
    Config = CarnConfig
    value_range = (0.0, 1.0)
    reach = 21  # entry 1, nine residual blocks of 2, 1 to enlarge, and less than 1 for what comes after it

    @property
    def scale(self) -> int:
        """Of several the first."""
        return self.config.scales[0]

    def build(self) -> nn.Module:
        """The network for all its scales, with PyTorch's initial weights, as the authors have it."""
        from henshin_plugins.carn.network import Carn as Network

        c = self.config
        return Network(c.width, c.group, c.recursive, c.scales)

    def family(self) -> dict[str, dict[str, Any]]:
        """A model for each scale."""
        return {f"-x{scale}": {"scales": (scale,)} for scale in self.config.scales}

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        if "sub_mean.shifter.weight" not in tensors:
            return None
        from henshin_plugins.carn.network import from_published

        return from_published(tensors)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """The network of this plugin."""
    return [Carn]

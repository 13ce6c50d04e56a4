"""Plugin: `edge_promote`, softer or crisper edges with everything else untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage, StageConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from henshin.api.context import Context
    from henshin.images.picture import Picture


class EdgePromoteConfig(StageConfig):
    """Where the edges are, how wide their zone is, and what happens inside it."""

    mode: Literal["smooth", "crispen"] = Field(
        "smooth", description="`smooth` blurs near edges (CartoonGAN's twin set), `crispen` sharpens there."
    )
    low: float = Field(100.0, ge=0, le=2040, description="Canny: a weaker gradient (|gx| + |gy|) is no edge.")
    high: float = Field(200.0, ge=0, le=2040, description="Canny: a stronger gradient starts an edge.")
    dilate: int = Field(5, ge=1, le=63, description="Side of the square by which edges are widened; 1 = not at all.")
    kernel: int = Field(5, ge=3, le=63, description="Side of the Gaussian kernel in pixels, odd.")
    sigma: float | None = Field(
        None, gt=0, le=30, description="Standard deviation in pixels; left out: 0.3 ((kernel - 1) / 2 - 1) + 0.8."
    )
    amount: float = Field(1.0, ge=0, le=5, description="1 = the blurred pixels themselves, or a full unsharp mask.")

    @field_validator("kernel")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"must be odd, such as {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not exceed high (low is {self.low:g}, high is {self.high:g})")
        if self.mode == "smooth" and self.amount > 1:
            raise ValueError("amount must be at most 1 where mode is smooth")
        return self

    @property
    def deviation(self) -> float:
        """The Gaussian's standard deviation in pixels, by OpenCV's rule where none is given."""
        if self.sigma is not None:
            return self.sigma
        return 0.3 * ((self.kernel - 1) / 2 - 1) + 0.8


class EdgePromote(Stage[EdgePromoteConfig]):
    """CartoonGAN's edge smoothing (Chen, Lai, Liu, CVPR 2018, section 3.2.1), and its opposite.

    Canny finds the edges, a square dilation widens them to a zone, and the pixels of the zone are replaced by
    Gaussian-blurred ones (`smooth`), or pushed away from them (`crispen`: x + amount (x - blurred)). Beyond the
    border pixels repeat. Outside the zone a picture stays bit-identical, and one without edges comes back as it is.
    """

    name = "edge_promote"
    Config = EdgePromoteConfig
    works_on = "pictures"

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Load numpy and the edge finder."""
        from henshin_plugins.edge.promotion import promote

        self._promote = promote

    def run(self, items: Sequence[Picture]) -> list[Picture]:
        """Promote the edges of each (H, W, 3) uint8 picture."""
        config = self.config
        return [
            self._promote(
                picture,
                low=config.low,
                high=config.high,
                dilate=config.dilate,
                kernel=config.kernel,
                sigma=config.deviation,
                # Both modes are one formula: a step towards the blurred picture, or away from it.
                step=config.amount if config.mode == "smooth" else -config.amount,
            )
            for picture in items
        ]


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [EdgePromote]

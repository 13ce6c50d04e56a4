"""Options of the stage `edge_promote`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from henshin.api.stage import StageConfig

if TYPE_CHECKING:
    from typing import Self


class EdgePromoteConfig(StageConfig):
    """Options of `edge_promote`."""

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
    def _check_kernel_is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"must be odd, such as {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not exceed high (low is {self.low:g}, high is {self.high:g})")
        if self.mode == "smooth" and self.amount > 1:
            raise ValueError("amount must be at most 1 where mode is smooth")
        return self

    @property
    def deviation(self) -> float:
        """The Gaussian's standard deviation in pixels, by default by OpenCV's rule."""
        if self.sigma is not None:
            return self.sigma
        return 0.3 * ((self.kernel - 1) / 2 - 1) + 0.8

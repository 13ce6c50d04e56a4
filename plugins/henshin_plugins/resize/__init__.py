"""The stages `resize` and `crop`."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage, StageConfig
from henshin.images.resizing import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from henshin.api.frame import Frame
    from henshin.images.picture import Picture


class ResizeConfig(StageConfig):
    """Options of `resize`: the longest side, or width, height or both."""

    size: int | None = Field(default=None, ge=1, le=16384, description="Longest side; the aspect ratio is kept.")
    width: int | None = Field(
        default=None, ge=1, le=16384, description="Width; alone: the height follows the aspect ratio."
    )
    height: int | None = Field(
        default=None, ge=1, le=16384, description="Height; alone: the width follows the aspect ratio."
    )
    fit: Literal["contain", "stretch"] = Field(
        default="contain",
        description="With width and height: fit inside both, or `stretch` to both. To fill both, `crop` first.",
    )
    filter: Filter = Field(default="lanczos", description="Pillow's resampling filter, with antialiasing.")
    enlarge: bool = Field(default=True, description="Enlarge smaller pictures; false: leave them as they are.")

    @model_validator(mode="after")
    def _check_size_options(self) -> Self:
        by_sides = self.width is not None or self.height is not None
        if (self.size is None) != by_sides:
            raise ValueError("give either size, or width and/or height")
        if "fit" in self.model_fields_set and (self.width is None or self.height is None):
            raise ValueError("fit needs both width and height")
        return self

    def target(self, width: int, height: int) -> tuple[int, int]:
        """Return the new (width, height) of a picture of this width and height, each at least 1."""
        across = None if self.width is None else self.width / width
        down = None if self.height is None else self.height / height
        if self.size is not None:
            across = down = self.size / max(width, height)
        if across is None or down is None or self.fit == "contain":
            across = down = min(factor for factor in (across, down) if factor is not None)
        if not self.enlarge:
            across, down = min(across, 1.0), min(down, 1.0)
        return max(1, math.floor(width * across + 0.5)), max(1, math.floor(height * down + 0.5))


class Resize(Stage[ResizeConfig]):
    """Resample pictures or face crops to a size. A picture of that size is returned as it is."""

    name = "resize"
    Config = ResizeConfig
    works_on = "pictures"
    concurrent = True

    def run(self, items: Sequence[Picture]) -> list[Picture]:
        """Resize each (H, W, 3) uint8 picture."""
        from henshin.images.resizing import resample

        results = []
        for picture in items:
            width, height = self.config.target(picture.shape[1], picture.shape[0])
            results.append(resample(picture, height, width, self.config.filter))
        return results


class CropConfig(StageConfig):
    """Options of `crop`: the shape of the window and its place in the picture."""

    aspect: str | None = Field(
        default=None, description="Aspect ratio, such as 1/1 or 16/9, of the largest such window."
    )
    width: int | None = Field(default=None, ge=1, le=16384, description="Greatest width, pixels.")
    height: int | None = Field(default=None, ge=1, le=16384, description="Greatest height, pixels.")
    anchor: Literal["center", "top", "bottom", "left", "right"] = Field(
        default="center", description="Place of the window."
    )

    @field_validator("aspect", mode="before")
    @classmethod
    def _check_aspect(cls, value: object) -> object:
        # YAML reads a bare 16:9 as a number of base 60, hence the slash
        if value is not None and not (isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,4}[/:][1-9]\d{0,4}", value)):
            raise ValueError("give width/height in whole numbers, such as 1/1 or 16/9")
        return value

    @model_validator(mode="after")
    def _check_any_option(self) -> Self:
        if self.aspect is None and self.width is None and self.height is None:
            raise ValueError("give aspect, width or height")
        return self

    def window(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the window (x0, y0, x1, y1) of a picture of this width and height."""
        wide, high = min(width, self.width or width), min(height, self.height or height)
        if self.aspect is not None:
            across, down = (int(number) for number in re.split("[/:]", self.aspect))
            # in whole numbers, so that 1/1 is exactly square
            fitting = (wide * down * 2 + across) // (2 * across), (high * across * 2 + down) // (2 * down)
            high, wide = max(1, min(high, fitting[0])), max(1, min(wide, fitting[1]))
        x = {"left": 0, "right": width - wide}.get(self.anchor, (width - wide) // 2)
        y = {"top": 0, "bottom": height - high}.get(self.anchor, (height - high) // 2)
        return x, y, x + wide, y + high


class Crop(Stage[CropConfig]):
    """Crop a frame to a window, with its alpha and the coordinates of its faces.

    `crop` to an aspect and then `resize` to a width and height fills both without distortion.
    """

    name = "crop"
    Config = CropConfig
    works_on = "frames"
    concurrent = True

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Crop each frame in place; a frame of the wanted shape stays as it is."""
        for frame in items:
            height, width = frame.picture.shape[:2]
            window = self.config.window(width, height)
            if window != (0, 0, width, height):
                frame.cut(*window)
        return items


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stages of this plugin."""
    return [Resize, Crop]

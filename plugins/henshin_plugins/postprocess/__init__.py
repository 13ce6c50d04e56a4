"""Plugin: `postprocess`, the last touches: tone, colour, noise and sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage, StageConfig
from henshin.config.options import PictureName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from henshin.api.context import Context
    from henshin.images.picture import Picture


class PostprocessConfig(StageConfig):
    """What to change, listed in the order in which it is done; nothing by default."""

    median: Literal[1, 3, 5] = Field(default=1, description="Side of a median filter against specks; 1 = none.")
    match: Annotated[PictureName, Field(min_length=1)] | None = Field(
        default=None,
        description="Picture whose colours are taken on (mean and spread in CIELAB); relative to the pipeline's file.",
    )
    match_strength: float = Field(default=1.0, ge=0, le=1, description="How far to go towards the colours of `match`.")
    brightness: float = Field(default=1.0, ge=0, le=4, description="Factor on every value; 1 = unchanged.")
    contrast: float = Field(default=1.0, ge=0, le=4, description="Factor on the distance from middle gray.")
    gamma: float = Field(default=1.0, ge=0.1, le=10, description="Above 1 lightens the middle tones: v ** (1 / gamma).")
    saturation: float = Field(default=1.0, ge=0, le=4, description="0 = gray, 1 = unchanged, 2 = twice as colourful.")
    sharpen: float = Field(default=0.0, ge=0, le=5, description="Amount of unsharp masking; 0 = none.")
    sharpen_radius: float = Field(default=1.5, ge=0.3, le=30, description="Radius of the unsharp mask in pixels.")

    @model_validator(mode="after")
    def _no_idle_option(self) -> Self:
        if "match_strength" in self.model_fields_set and self.match is None:
            raise ValueError("match_strength needs match")
        return self


class Postprocess(Stage[PostprocessConfig]):
    """Touch up pictures or face crops; one that nothing changes comes back as it is.

    Colour match is the statistics transfer of Reinhard et al. (2001), in CIELAB.
    """

    name = "postprocess"
    Config = PostprocessConfig
    works_on = "pictures"

    def open(self, context: Context) -> None:
        """Put the wanted steps together, and read the reference picture. Errors: HenshinError if it cannot be read."""
        from henshin_plugins.postprocess import adjust

        config = self.config
        self._steps: list[Callable[[Picture], Picture]] = []
        if config.median > 1:
            self._steps.append(lambda picture: adjust.median(picture, config.median))
        if config.match is not None and config.match_strength:
            wanted = self._reference(config.match, context)
            self._steps.append(lambda picture: adjust.match(picture, wanted, config.match_strength))
        curve = adjust.curve(config.brightness, config.contrast, config.gamma)
        if curve is not None:
            self._steps.append(lambda picture: adjust.apply_curve(picture, curve))
        if config.saturation != 1:
            self._steps.append(lambda picture: adjust.saturate(picture, config.saturation))
        if config.sharpen:
            self._steps.append(lambda picture: adjust.sharpen(picture, config.sharpen, config.sharpen_radius))

    def _reference(self, name: str, context: Context) -> Any:
        from pathlib import Path

        from henshin.errors import HenshinError, PictureError
        from henshin.images import read
        from henshin_plugins.postprocess.adjust import statistics

        path = context.base / Path(name).expanduser()
        try:
            return statistics(read(path).picture)
        except PictureError as error:
            raise HenshinError(f"postprocess.match: {path}: {error.reason}") from error

    def run(self, items: Sequence[Picture]) -> list[Picture]:
        """Take each (H, W, 3) uint8 picture through the wanted steps."""
        from henshin_plugins.postprocess.adjust import same_if_equal

        results = []
        for picture in items:
            result = picture
            for step in self._steps:
                result = step(result)
            results.append(same_if_equal(result, picture))
        return results

    def close(self) -> None:
        """Let go of the reference's statistics."""
        self._steps = []


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Postprocess]

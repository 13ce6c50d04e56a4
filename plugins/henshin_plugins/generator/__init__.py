"""The stage `generator`: any exported translator, on crops of faces or on whole photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from henshin import Context, Picture, PictureError, Stage, StageConfig, TranslatorName, hookimpl

if TYPE_CHECKING:
    from henshin import Model

_WHOLE = 256
"""Steps between none and all of the drawing when the two are mixed in whole numbers."""


class GeneratorStageConfig(StageConfig):
    """Which model, at which size, how strongly."""

    model: TranslatorName = Field(description="A model's name, or the path of an .onnx file.")
    size: Literal["auto", "keep"] | Annotated[int, Field(ge=8, le=16384)] = Field(
        default="auto",
        description="Longest side of what the model gets: 'auto' brings crops of faces to the size on which the model "
        "was trained and keeps photos as they are, 'keep' keeps all, a number is for all.",
    )
    strength: float = Field(default=1.0, gt=0, le=1, description="How much of the drawing is mixed into the picture.")


class GeneratorStage(Stage[GeneratorStageConfig]):
    """Redraw every picture with a model. What comes out has the model's size: that of the input times its scale."""

    name = "generator"
    Config = GeneratorStageConfig

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError when it is none that takes pictures."""
        from henshin import HenshinError
        from henshin.text import with_article

        self.model: Model = context.model(self.config.model)
        kind = self.model.contract.kind
        if kind != "translator":
            raise HenshinError(
                f"generator.model: '{self.config.model}' is {with_article(kind)}, and a translator is wanted"
            )
        context.log.info("generator: %s on %s", self.model.contract.name, self.model.describe())

    def run(self, items: Sequence[Picture]) -> list[Picture | PictureError]:
        """Translate pictures (H, W, 3) uint8 of any sizes, in one call so that the model can form its batches."""
        fed = [self._sized(picture) for picture in items]
        drawn = self.model.translate(fed)
        if self.config.strength == 1:
            return drawn
        return [self._mixed(before, after) for before, after in zip(fed, drawn, strict=True)]

    def _sized(self, picture: Picture) -> Picture:
        from henshin.images.resizing import fit_longest_side, resample

        longest = self._longest()
        if longest is None:
            return picture
        return resample(picture, *fit_longest_side(picture.shape[0], picture.shape[1], longest))

    def _longest(self) -> int | None:
        """Return the longest side that pictures are brought to, None for none."""
        size = self.config.size
        if size == "auto":
            return self.model.contract.preferred_size if self.zone == "crops" else None
        return None if size == "keep" else size

    def _mixed(self, before: Picture, after: Picture | PictureError) -> Picture | PictureError:
        if isinstance(after, PictureError):
            return after
        import numpy as np

        from henshin.images.resizing import resample

        share = round(self.config.strength * _WHOLE)
        mixed = resample(before, *after.shape[:2]).astype(np.uint16) * np.uint16(_WHOLE - share)
        mixed += after.astype(np.uint16) * np.uint16(share)
        mixed += np.uint16(_WHOLE // 2)
        return (mixed // np.uint16(_WHOLE)).astype(np.uint8)


@hookimpl
def henshin_stages() -> list[type[Stage[GeneratorStageConfig]]]:
    """Give the stage of this plugin."""
    return [GeneratorStage]

"""The stage `generator`: runs a translator model, any exported one, on crops of faces or on whole photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from henshin import Context, Picture, PictureError, Stage, StageConfig, TranslatorName, hookimpl

if TYPE_CHECKING:
    from henshin import Model

_WHOLE = 256
"""Steps of the integer mixture of input and output."""


class GeneratorStageConfig(StageConfig):
    """Options of `generator`."""

    model: TranslatorName = Field(description="A model's name, or the path of an .onnx file.")
    size: Literal["auto", "keep"] | Annotated[int, Field(ge=8, le=16384)] = Field(
        default="auto",
        description="Longest side of the model's input: 'auto' resizes crops of faces to the size of the model's "
        "training and leaves photos as they are, 'keep' leaves all, a number is for all.",
    )
    strength: float = Field(
        default=1.0, gt=0, le=1, description="Share of the model's output in the result; the rest is the input."
    )
    keep_grey: bool = Field(
        default=True,
        description="Give a grey picture a grey result. Grey means that red, green and blue differ by at most 15 in "
        "99 % of the pixels, as in files of black-and-white photos.",
    )


class GeneratorStage(Stage[GeneratorStageConfig]):
    """Translate every picture with a model. The output has the size of the model's input, times its scale."""

    name = "generator"
    Config = GeneratorStageConfig
    concurrent = True

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError if it is no translator."""
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
        inputs = [self._sized(picture) for picture in items]
        outputs = self.model.translate(inputs)
        if self.config.keep_grey:
            outputs = [self._as_grey(before, after) for before, after in zip(inputs, outputs, strict=True)]
        if self.config.strength == 1:
            return outputs
        return [self._mixed(before, after) for before, after in zip(inputs, outputs, strict=True)]

    def _sized(self, picture: Picture) -> Picture:
        from henshin.images.resizing import fit_longest_side, resample

        longest = self._longest()
        if longest is None:
            return picture
        return resample(picture, *fit_longest_side(picture.shape[0], picture.shape[1], longest))

    def _longest(self) -> int | None:
        """Return the longest side to which pictures are resized, or None."""
        size = self.config.size
        if size == "auto":
            return self.model.contract.preferred_size if self.zone == "crops" else None
        return None if size == "keep" else size

    def _as_grey(self, before: Picture, after: Picture | PictureError) -> Picture | PictureError:
        from henshin.images.grey import is_grey, without_colour

        return without_colour(after) if not isinstance(after, PictureError) and is_grey(before) else after

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
    """Return the stage of this plugin."""
    return [GeneratorStage]

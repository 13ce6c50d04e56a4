"""The stage `super_resolution`: enlargement by a resampler or by a network."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from henshin import Context, Picture, PictureError, Stage, StageConfig, hookimpl
from henshin.config.options import ModelOption
from henshin.models.requirements import scale_problem

if TYPE_CHECKING:
    from typing import Self

    from henshin.api.context import ModelOnDemand
    from henshin.models import Contract

Resampler = Literal["lanczos", "bicubic"]

_DEFAULT_FACTOR = 2
"""Default factor of a resampler."""
_PADDING = 8
"""Length of the shorter side below which pictures are padded for a network, and width of the padding, pixels."""


class SuperResolutionConfig(StageConfig):
    """Options of `super_resolution`."""

    model: Resampler | Annotated[str, ModelOption(kind="translator", enlarges=True, scale="scale")] = Field(
        default="lanczos",
        description="A resampler (lanczos, bicubic), a model's name (of a multi-scale NAME-x2, NAME-x3, ... the "
        "smallest that suffices is taken), or the path of an .onnx file.",
    )
    scale: float | None = Field(
        default=None,
        gt=1,
        le=16,
        description="Factor of the enlargement. A model without this scale uses its next larger one, and the result is "
        "reduced; more than its largest is an error.",
    )
    size: int | None = Field(
        default=None,
        ge=2,
        le=32768,
        description="Longest side of the result. Beyond the model's largest scale the result is resampled.",
    )
    when_smaller_than: int | None = Field(
        default=None,
        ge=2,
        le=32768,
        description="Enlarge only pictures whose longest side is below this. Without scale and size: by the "
        "smallest whole factor that reaches it, or by the model's largest scale.",
    )
    tile: int | None = Field(
        default=None,
        ge=64,
        le=16384,
        description="Pictures of more than tile x tile pixels are processed in tiles of at most so many, with the same "
        "result. Smaller tiles take less memory and more time. null: chosen for the device; for CARN that is 443 for "
        "x2, 295 for x3, 252 for x4, and on a GPU 1024, 682, 512.",
    )

    @model_validator(mode="after")
    def _check_scale_or_size(self) -> Self:
        if self.scale is not None and self.size is not None:
            raise ValueError("scale and size exclude each other")
        return self


class SuperResolution(Stage[SuperResolutionConfig]):
    """Enlarge small pictures; larger ones pass unchanged. No picture is ever reduced.

    Without scale, size and when_smaller_than a picture is enlarged by the model's (smallest) scale; a resampler
    doubles it. A picture whose result would exceed 500 megapixels fails before any work is done.
    """

    name = "super_resolution"
    Config = SuperResolutionConfig
    concurrent = True

    def open(self, context: Context) -> None:
        """Find the network, or all networks of a multi-scale one if the scale depends on the pictures.

        A network is opened with the first picture that needs it, and at once if every picture does.
        Errors: HenshinError if the model does not enlarge, or not by `scale`.
        """
        config = self.config
        self.models: dict[int, ModelOnDemand] = {}
        if config.model in ("lanczos", "bicubic"):
            return
        factors: list[float | None] = [config.scale]
        if config.size is not None or (config.when_smaller_than is not None and config.scale is None):
            factors = [*context.store.scales(config.model, context.base)] or [None]
        for factor in factors:
            model = context.model_on_demand(config.model, factor, config.tile)
            self.models[_checked_scale(model.contract)] = model
            if len(factors) == 1 and config.when_smaller_than is None:
                context.log.info("super_resolution: %s on %s", model.contract.name, model().describe())
        problem = config.scale and scale_problem(context.store, config.model, config.scale, context.base)
        if problem:
            raise type(problem)(f"super_resolution.scale: {problem}")

    def run(self, items: Sequence[Picture]) -> list[Picture | PictureError]:
        """Enlarge pictures (H, W, 3) uint8; those that are large enough are returned as the same arrays."""
        results: list[Picture | PictureError] = list(items)
        groups: dict[int, list[int]] = {}
        for index, picture in enumerate(items):
            factor = self._factor(*picture.shape[:2])
            if factor <= 1:
                continue
            problem = self._problem(picture.shape[0], picture.shape[1], factor)
            if problem is not None:
                results[index] = problem
            elif self.models:
                groups.setdefault(self._sufficient(factor), []).append(index)
            else:
                results[index] = self._resampled(picture, factor)
        for scale, indices in groups.items():
            outputs = self.models[scale]().translate([_padded(items[index]) for index in indices])
            for index, result in zip(indices, outputs, strict=True):
                results[index] = self._exact(_unpadded(result, items[index], scale), *items[index].shape[:2])
        return results

    def _factor(self, height: int, width: int) -> float:
        """Return the factor by which to enlarge a picture; 1 or less for none."""
        config, longest = self.config, max(height, width)
        if config.when_smaller_than is not None and longest >= config.when_smaller_than:
            return 1
        if config.scale is not None:
            return config.scale
        if config.size is not None:
            return config.size / longest
        if config.when_smaller_than is not None:
            return ceil(config.when_smaller_than / longest)
        return min(self.models, default=_DEFAULT_FACTOR)

    def _problem(self, height: int, width: int, factor: float) -> PictureError | None:
        """Return an error if the result would be too large."""
        from henshin.images.resizing import size_problem

        largest = max(self.models, default=None)
        reached = factor if largest is None else min(factor, largest)
        return size_problem(
            height, width, *(self._aim(height, width) or (round(height * reached), round(width * reached)))
        )

    def _sufficient(self, factor: float) -> int:
        """Return the scale of the smallest network that reaches ``factor``, else of the largest."""
        return min((scale for scale in self.models if scale >= factor), default=max(self.models))

    def _aim(self, height: int, width: int) -> tuple[int, int] | None:
        """Return the size that the options request, or None if it is that of the network's output."""
        from henshin.images.resizing import fit_longest_side

        if self.config.scale is not None:
            return round(height * self.config.scale), round(width * self.config.scale)
        return fit_longest_side(height, width, self.config.size) if self.config.size is not None else None

    def _exact(self, result: Picture | PictureError, height: int, width: int) -> Picture | PictureError:
        from henshin.images.resizing import resample

        aim = self._aim(height, width)
        return result if aim is None or isinstance(result, PictureError) else resample(result, *aim)

    def _resampled(self, picture: Picture, factor: float) -> Picture:
        from henshin.images.resizing import resample

        height, width = picture.shape[0], picture.shape[1]
        height, width = self._aim(height, width) or (round(height * factor), round(width * factor))
        return resample(picture, height, width, "bicubic" if self.config.model == "bicubic" else "lanczos")


def _padded(picture: Picture) -> Picture:
    """Pad a very small picture by its border: with the network's zero padding alone it would see mostly zeros."""
    import numpy as np

    if min(picture.shape[:2]) >= _PADDING:
        return picture
    return np.pad(picture, ((_PADDING, _PADDING), (_PADDING, _PADDING), (0, 0)), "edge")


def _unpadded(result: Picture | PictureError, picture: Picture, scale: int) -> Picture | PictureError:
    """Remove the padding of `_padded`."""
    if isinstance(result, PictureError) or min(picture.shape[:2]) >= _PADDING:
        return result
    margin = _PADDING * scale
    return result[margin:-margin, margin:-margin].copy()


def _checked_scale(contract: Contract) -> int:
    from henshin import HenshinError
    from henshin.text import with_article

    if contract.kind != "translator" or contract.scale == 1:
        what = "it keeps the size" if contract.kind == "translator" else f"it is {with_article(contract.kind)}"
        raise HenshinError(f"super_resolution.model: '{contract.name}' does not enlarge pictures: {what}")
    return contract.scale


@hookimpl
def henshin_stages() -> list[type[Stage[SuperResolutionConfig]]]:
    """Return the stage of this plugin."""
    return [SuperResolution]

"""The stage `postprocess`: adjustment of tone, colour, noise and sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage
from henshin_plugins.postprocess.config import PostprocessConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from henshin.api.context import Context
    from henshin.images.picture import Picture


class Postprocess(Stage[PostprocessConfig]):
    """Adjust pictures or face crops; a picture that does not change is returned as it is.

    Colour match is the statistics transfer of Reinhard et al. (2001), in CIELAB.
    """

    name = "postprocess"
    Config = PostprocessConfig
    works_on = "pictures"
    concurrent = True

    def open(self, context: Context) -> None:
        """Prepare the requested steps, and read the reference picture. Errors: HenshinError if it cannot be read."""
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
        """Apply the requested steps to each (H, W, 3) uint8 picture."""
        from henshin_plugins.postprocess.adjust import same_if_equal

        results = []
        for picture in items:
            result = picture
            for step in self._steps:
                result = step(result)
            results.append(same_if_equal(result, picture))
        return results

    def close(self) -> None:
        """Release the reference's statistics."""
        self._steps = []


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Postprocess]

"""Plugin: `compare`, source and result side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage
from henshin.errors import PictureError
from henshin_plugins.compare.config import CompareConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.api.frame import Frame


class Compare(Stage[CompareConfig]):
    """Put the source before the result, scaled to the same height (or width, in a column).

    The source is read again from its file, so that no frame carries a second picture through the pipeline. A frame
    whose source is no file fails.
    """

    name = "compare"
    Config = CompareConfig
    works_on = "frames"
    concurrent = True

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Replace each frame's picture and alpha by source and result."""
        from henshin_plugins.compare.side_by_side import put_before

        for frame in items:
            try:
                put_before(frame, self.config.source_by, row=self.config.layout == "row", gap=self.config.gap)
            except PictureError as error:
                frame.error = error
        return items


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Compare]

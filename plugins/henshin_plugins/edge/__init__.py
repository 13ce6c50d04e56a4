"""The stage `edge_promote`: softer or crisper edges, the rest of the picture unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage
from henshin_plugins.edge.config import EdgePromoteConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.api.context import Context
    from henshin.images.picture import Picture


class EdgePromote(Stage[EdgePromoteConfig]):
    """CartoonGAN's edge smoothing (Chen, Lai, Liu, CVPR 2018, section 3.2.1), and its opposite.

    Canny finds the edges, a square dilation widens them to a zone, and the pixels of the zone are replaced by
    Gaussian-blurred ones (`smooth`), or pushed away from them (`crispen`: x + amount (x - blurred)). At the
    border pixels are repeated. Outside the zone a picture stays bit-identical; one without edges is returned as it is.
    """

    name = "edge_promote"
    Config = EdgePromoteConfig
    works_on = "pictures"
    concurrent = True

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
                # both modes are one formula: a step towards the blurred picture, or away from it
                step=config.amount if config.mode == "smooth" else -config.amount,
            )
            for picture in items
        ]


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [EdgePromote]

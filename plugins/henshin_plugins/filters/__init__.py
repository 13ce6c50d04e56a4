"""Filters that leave pictures out of a data set, each with the reason: tiny, blurred, bordered, near-duplicates.

Between `face_align` and `split_faces` they look at each face's crop, elsewhere at whole pictures. The measures are in
the modules beside this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.api.frame import Dropped
from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage
from henshin_plugins.filters.config import BordersConfig, DropBlurredConfig, DropDuplicatesConfig, DropTinyConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.api.context import Context
    from henshin.api.frame import Frame
    from henshin.images.picture import Picture


class DropTiny(Stage[DropTinyConfig]):
    """Leave out pictures, or faces, that are too small.

    A crop of `face_align` keeps the face's own resolution, so here faces are measured as they are in the photo.
    """

    name = "drop_tiny"
    Config = DropTinyConfig

    def run(self, items: Sequence[Picture]) -> list[Picture | Dropped]:
        """Return each (H, W, 3) picture that is large enough, as it is."""
        return [self._one(picture) for picture in items]

    def _one(self, picture: Picture) -> Picture | Dropped:
        height, width = picture.shape[:2]
        short, long = sorted((height, width))
        if short < self.config.minimum:
            return Dropped("tiny", f"{width}x{height} pixels, at least {self.config.minimum} wanted")
        if self.config.longest is not None and long > self.config.longest * short:
            return Dropped("long", f"{width}x{height} pixels, at most 1:{self.config.longest:g} wanted")
        return picture


class DropBlurred(Stage[DropBlurredConfig]):
    """Leave out pictures, or faces, whose edges are wide: out of focus, shaken, or enlarged from small ones.

    The width of an edge is the standard deviation of the blur that made it, measured by blurring it once more (Zhuo and
    Sim, "Defocus map estimation from a single image", 2011), on the strong edges of four directions. Flat areas do not
    count, so drawings have the values of photos. A picture without any edge is left out too.
    """

    name = "drop_blurred"
    Config = DropBlurredConfig

    def run(self, items: Sequence[Picture]) -> list[Picture | Dropped]:
        """Return each (H, W, 3) picture that is sharp enough, as it is."""
        return [self._one(picture) for picture in items]

    def _one(self, picture: Picture) -> Picture | Dropped:
        from henshin_plugins.filters.sharpness import edge_width

        width = edge_width(picture, self.config.size)
        if width is None:
            return Dropped("empty", "no edge in it")
        if width > self.config.maximum:
            return Dropped("blurred", f"edges {width:.2f} px wide, at most {self.config.maximum:g} wanted")
        return picture


class Borders(Stage[BordersConfig]):
    """Find even borders (letterbox, pillarbox, frames), and drop the picture or cut them off.

    A border reaches along a whole side, has one colour and ends in a straight step; a night sky or the white ground of
    a drawing does not. What is transparent is no dark border. `trim` is for whole pictures, and keeps faces in their
    places.
    """

    name = "borders"
    Config = BordersConfig
    works_on = "frames"

    def misplaced(self) -> str | None:
        """Refuse to cut crops, whose shape belongs to their faces."""
        if self.zone == "crops" and self.config.action == "trim":
            return "'action: trim' is for whole pictures; put it before face_align, or say drop"
        return None

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Refuse what nobody has checked. Errors: HenshinError."""
        from henshin.errors import HenshinError

        wrong = self.misplaced()
        if wrong:
            raise HenshinError(f"borders: {wrong}")

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Look at each frame's crops, or at its picture where it has none."""
        from henshin_plugins.filters.borders import check

        for frame in items:
            check(frame, self.config)
        return items


class DropDuplicates(Stage[DropDuplicatesConfig]):
    """Leave out pictures, or faces, that show the same as one before: the first is kept, in the order of the names.

    What earlier runs into the same folder kept comes first. Put it after the other filters: what a later stage leaves
    out counts as kept here. The hash is the DCT hash of Zauner (2010), confirmed by the colours of thumbnails. Faces
    are also compared as if cut 3 % beside, for in a copy a detector finds them a little elsewhere.
    """

    name = "drop_duplicates"
    Config = DropDuplicatesConfig
    works_on = "frames"

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Take in what earlier runs kept."""
        from henshin_plugins.filters.duplicates import DuplicateIndex

        self.kept: DuplicateIndex | None = DuplicateIndex(self.config, self.memory)

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Look at each frame's crops, or at its picture where it has none."""
        if self.kept is None:
            raise RuntimeError("drop_duplicates is closed")
        self.kept.check(items)
        return items

    def close(self) -> None:
        """Forget everything."""
        self.kept = None


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stages of this plugin."""
    return [DropTiny, DropBlurred, Borders, DropDuplicates]

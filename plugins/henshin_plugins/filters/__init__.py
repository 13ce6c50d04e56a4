"""Filters that leave pictures out of a data set, with a reason: tiny, blurred, bordered, near-duplicates.

Between `face_align` and `split_faces` they check each face's crop, elsewhere whole pictures. The measures are in the
other modules of this package.
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

    A crop of `face_align` has the face's own resolution, so faces are measured at their size in the photo.
    """

    name = "drop_tiny"
    Config = DropTinyConfig
    concurrent = True

    def run(self, items: Sequence[Picture]) -> list[Picture | Dropped]:
        """Return each (H, W, 3) picture that is large enough, unchanged, else a Dropped."""
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
    """Leave out pictures, or faces, with wide edges: out of focus, motion-blurred, or enlarged from small ones.

    The width of an edge is the standard deviation of its blur, measured by blurring it once more (Zhuo and
    Sim, "Defocus map estimation from a single image", 2011), on the strong edges of four directions. Flat areas do not
    count, so drawings have similar values as photos. A picture without any edge is left out too.
    """

    name = "drop_blurred"
    Config = DropBlurredConfig
    concurrent = True

    def run(self, items: Sequence[Picture]) -> list[Picture | Dropped]:
        """Return each (H, W, 3) picture that is sharp enough, unchanged, else a Dropped."""
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

    A border reaches along a whole side, has one colour and ends in a straight step; a night sky or the white background
    of a drawing does not. Transparent areas are no dark border. `trim` is for whole pictures, and moves faces with the
    picture.
    """

    name = "borders"
    Config = BordersConfig
    works_on = "frames"
    concurrent = True

    def misplaced(self) -> str | None:
        """Reject `trim` on crops, whose shape belongs to their faces."""
        if self.zone == "crops" and self.config.action == "trim":
            return "'action: trim' is for whole pictures; put it before face_align, or say drop"
        return None

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Check the placement again, for callers without an engine. Errors: HenshinError."""
        from henshin.errors import HenshinError

        problem = self.misplaced()
        if problem:
            raise HenshinError(f"borders: {problem}")

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Check each frame's crops, or its picture where it has none."""
        from henshin_plugins.filters.borders import check

        for frame in items:
            check(frame, self.config)
        return items


class DropDuplicates(Stage[DropDuplicatesConfig]):
    """Leave out near-duplicates of earlier pictures, or faces: the first is kept, in the order of the names.

    Pictures kept by earlier runs into the same folder come first. Put it after the other filters: pictures that a later
    stage leaves out count as kept here. The hash is the DCT hash of Zauner (2010), confirmed by the colours of
    thumbnails. Faces are also compared as if cropped with a shift of 3 %, because a detector finds them at slightly
    different places in a copy.
    """

    name = "drop_duplicates"
    Config = DropDuplicatesConfig
    works_on = "frames"

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Load the index of the pictures that earlier runs kept."""
        from henshin_plugins.filters.duplicates import DuplicateIndex

        self.index: DuplicateIndex | None = DuplicateIndex(self.config, self.memory)

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Check each frame's crops, or its picture where it has none."""
        if self.index is None:
            raise RuntimeError("drop_duplicates is closed")
        self.index.check(items)
        return items

    def close(self) -> None:
        """Release the index."""
        self.index = None


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stages of this plugin."""
    return [DropTiny, DropBlurred, Borders, DropDuplicates]

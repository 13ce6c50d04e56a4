"""Plugin: `compare`, source and result side by side, or the results of several branches of stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.api.hookspecs import hookimpl
from henshin.api.stage import Stage
from henshin.errors import PictureError
from henshin_plugins.compare.config import CompareConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.api.context import Branch, BranchResult, Context
    from henshin.api.frame import Frame


class Compare(Stage[CompareConfig]):
    """Put the source before the result, or before the results of several branches, as the figures of papers do.

    The source is read again from its file, so that no frame carries a second picture through the pipeline. Without
    branches it is scaled to the result's height (or width, in a column), and a frame whose source is no file fails.

    With branches each of them gets the photo as it is here, with its faces and crops, and has to put crops back by
    itself. All pictures are brought to one size, with names above them. A branch that failed or left the photo out has
    the reason in its column; where none has a result, the photo itself fails or is left out.
    """

    name = "compare"
    Config = CompareConfig
    works_on = "frames"

    @property
    def ends(self) -> frozenset[str]:
        """With branches everything: the page that they are laid out on has no faces, crops and latents."""
        return frozenset({"faces", "crops", "latents"}) if self.branches else frozenset()

    @property
    def concurrent(self) -> bool:
        """Whether all stages of the branches are."""
        return all(stage.concurrent for branch in self.branches for stage in branch)

    @property
    def at_once(self) -> int:
        """The most that a stage of the branches wants in one list."""
        return max((stage.at_once for branch in self.branches for stage in branch), default=1)

    def open(self, context: Context) -> None:
        """Open the stages of the branches. Errors: HenshinError that names the stage that does not open."""
        from henshin_plugins.compare.branches import names_of

        self.opened: list[Branch] = []
        self.names = list(self.config.labels or names_of(self.branches))
        for stages in self.branches:
            self.opened.append(context.branch(stages, self.zone))

    def run(self, items: Sequence[Frame]) -> Sequence[Frame]:
        """Replace each frame's picture and alpha by source and result, or by the page of its branches."""
        if self.branches:
            results = [branch.run(items) for branch in self.opened]
            for frame, *of_frame in zip(items, *results, strict=True):
                self._lay_out(frame, of_frame)
            return items
        from henshin_plugins.compare.side_by_side import put_before

        for frame in items:
            try:
                put_before(frame, self.config.source_by, row=self.config.layout == "row", gap=self.config.gap)
            except PictureError as error:
                frame.error = error
        return items

    def _lay_out(self, frame: Frame, results: Sequence[BranchResult]) -> None:
        from henshin.api.frame import Dropped
        from henshin_plugins.compare.branches import lay_out

        page = lay_out(frame, self.names, results, self.config.cell, self.config.gap)
        if isinstance(page, PictureError):
            frame.error = page
        elif isinstance(page, Dropped):
            frame.dropped = page
        else:
            frame.picture, frame.alpha = page, None
            frame.faces, frame.latents = [], {}

    def close(self) -> None:
        """Close the stages of the branches."""
        for branch in self.opened:
            branch.close()


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Compare]

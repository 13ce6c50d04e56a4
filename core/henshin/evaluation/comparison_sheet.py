"""The comparison sheet: a row for each picture, a column for each method.

Enlarged pictures are shown pixel by pixel. One that is larger than its cell is cropped, not reduced, which would hide
the differences: all columns show the same window, the one with the most detail. A sheet of ``whole`` pictures shows
all of each, resized to the cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import HenshinError
from henshin.images.sheets.pages import write_page
from henshin.images.sheets.table import GAP, LINE, PictureTable, TableRow

if TYPE_CHECKING:
    from henshin.evaluation.datasets import EvaluationSample
    from henshin.images.picture import Picture

MOST_PIXELS = 100_000_000
"""Most pixels of a whole sheet: 300 MB in memory."""

INPUT = "input"
"""Name of the column of the inputs."""

TRUTH = "truth"
"""Name of the column of the ground truths."""


@dataclass(frozen=True, slots=True)
class CropRegion:
    """The part of an input that is shown, in pixels of the input."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, picture: Picture, times: int) -> Picture:
        """Return the same part of a picture that is ``times`` times larger."""
        top, left = self.top * times, self.left * times
        return picture[top : top + self.height * times, left : left + self.width * times].copy()


def most_detailed(picture: Picture, height: int, width: int) -> CropRegion:
    """Return the window of that size (at most the picture) where neighbouring pixels differ most."""
    import numpy as np

    height, width = min(height, picture.shape[0]), min(width, picture.shape[1])
    if (height, width) == picture.shape[:2]:
        return CropRegion(0, 0, height, width)
    gray = picture.astype(np.float32).mean(axis=2)
    detail = np.abs(np.diff(gray, axis=0, prepend=gray[:1])) + np.abs(np.diff(gray, axis=1, prepend=gray[:, :1]))
    sums = np.zeros((gray.shape[0] + 1, gray.shape[1] + 1))
    sums[1:, 1:] = detail.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    windows = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return CropRegion(int(top), int(left), height, width)


@dataclass
class Strip(TableRow):
    """One row of a sheet: a title, and for each column the picture and the caption below it.

    Without a ``window`` pictures are shown whole, resized so that their longer side is that of a ``cell``. ``source``
    is the (height, width) of the input.
    """

    cell: int = 0
    window: CropRegion | None = None
    scale: int = 1
    source: tuple[int, int] = (0, 0)
    captions: bool = True

    def add(self, column: str, result: Picture, caption: str = "") -> None:
        """Add a method's result: its part in the window, or all of it, resized, if it has not the expected size."""
        from henshin.images.resizing import fit_longest_side, resample

        height, width = self.source
        if self.window is not None and result.shape[:2] == (height * self.scale, width * self.scale):
            shown = self.window.cut(result, self.scale)
        else:
            shown = resample(result, *fit_longest_side(result.shape[0], result.shape[1], self.cell))
            caption = caption or _size(result)
        self.cells[column] = (shown, caption if self.captions else "")


class Sheet:
    """Collects at most ``rows`` pictures of each set and scale, and draws them.

    ``columns`` are the names of the methods; a column for the input comes before them (``source``), and one for the
    ground truth after them (``truth``). ``headings`` replaces the names of columns. ``cell`` is the longest side of a
    shown picture; ``whole`` shows all of each. Without ``captions`` only columns have names.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: int,
        cell: int,
        *,
        truth: bool = False,
        source: bool = True,
        whole: bool = False,
        headings: Mapping[str, str] | None = None,
        captions: bool = True,
    ) -> None:
        methods = [name for name in columns if name != INPUT]
        self.columns = [*[INPUT] * source, *methods, *[TRUTH] * truth]
        self.headings = [(headings or {}).get(name, name) for name in self.columns]
        self.rows, self.cell, self.whole, self.captions = rows, cell, whole, captions
        self.table = PictureTable(self.columns, self.headings, cell)
        self.strips: list[Strip] = []
        self._rows_left = rows

    def check(self, groups: int) -> None:
        """Check the size of a sheet of so many sets and scales. Errors: HenshinError when it is too large."""
        height = LINE + groups * self.rows * (self.cell + 2 * LINE + GAP)
        if height * self.table.width > MOST_PIXELS:
            raise HenshinError(
                f"a sheet of {groups * self.rows} rows and {len(self.columns)} columns of {self.cell} pixels would be "
                f"{self.table.width}x{height}; fewer --rows or smaller --cell would do"
            )

    def begin(self) -> None:
        """Begin another set or scale, with rows of its own."""
        self._rows_left = self.rows

    def strip(self, sample: EvaluationSample, source: Picture, truth: Picture | None) -> Strip | None:
        """Begin a row with the input and ground truth of a sample; None when there are enough rows."""
        if not self._rows_left:
            return None
        self._rows_left -= 1
        strip = self.add_strip(_title(sample)) if self.whole else self._enlarged(sample, source)
        if self.whole:
            strip.add(INPUT, source)
        if truth is not None:
            strip.add(TRUTH, truth, _size(truth))
        return strip

    def add_strip(self, title: str = "") -> Strip:
        """Begin a row of whole pictures, empty at first."""
        self.strips.append(Strip(title if self.captions else "", cell=self.cell, captions=self.captions))
        return self.strips[-1]

    def _enlarged(self, sample: EvaluationSample, source: Picture) -> Strip:
        """Begin a row of enlarged pictures, with the input enlarged by whole pixels."""
        from henshin.images.resizing import resample

        side = max(1, self.cell // sample.scale)
        window = most_detailed(source, side, side)
        strip = self.add_strip(_title(sample))
        strip.window, strip.scale, strip.source = window, sample.scale, source.shape[:2]
        part = window.cut(source, 1)
        shown = resample(part, part.shape[0] * sample.scale, part.shape[1] * sample.scale, "nearest")
        strip.cells[INPUT] = (shown, _size(source) if self.captions else "")
        return strip

    def draw(self) -> Picture:
        """Return the sheet, (H, W, 3) uint8."""
        return self.table.draw([strip for strip in self.strips if strip.cells])

    def save(self, path: Path) -> None:
        """Write the sheet to a file. Errors: HenshinError when it cannot be written."""
        write_page(self.draw(), path)


def _title(sample: EvaluationSample) -> str:
    return f"{sample.name}  x{sample.scale}" if sample.scale > 1 else sample.name


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"

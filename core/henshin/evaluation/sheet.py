"""The sheet to look at: a row for each picture, a column for each method, at one scale and pixel by pixel.

A picture that is larger than its cell is not reduced, for that would hide what is to be seen: of all columns the same
part is shown, the one with the most detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import HenshinError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from henshin.evaluation.sets import Case
    from henshin.frame import Picture

MOST_PIXELS = 100_000_000
"""Of a whole sheet: 300 MB while it is drawn."""
GAP = 8
LINE = 20
"""Pixels: between two cells, and the height of a line of text."""
_FONT_SIZE = 13
INPUT, TRUTH = "input", "truth"


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a given picture that is shown, in its own pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, picture: Picture, times: int) -> Picture:
        """Cut the same part out of a picture that is so many times larger."""
        top, left = self.top * times, self.left * times
        return picture[top : top + self.height * times, left : left + self.width * times].copy()


def most_detailed(picture: Picture, height: int, width: int) -> Window:
    """Find the part of that size (at most the whole) in which neighbouring pixels differ most."""
    import numpy as np

    height, width = min(height, picture.shape[0]), min(width, picture.shape[1])
    if (height, width) == picture.shape[:2]:
        return Window(0, 0, height, width)
    gray = picture.astype(np.float32).mean(axis=2)
    detail = np.abs(np.diff(gray, axis=0, prepend=gray[:1])) + np.abs(np.diff(gray, axis=1, prepend=gray[:, :1]))
    sums = np.zeros((gray.shape[0] + 1, gray.shape[1] + 1))
    sums[1:, 1:] = detail.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    windows = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return Window(int(top), int(left), height, width)


@dataclass
class Strip:
    """One row of a sheet: a title, and by column what is shown and the words below it."""

    title: str
    window: Window
    scale: int
    given: tuple[int, int]
    cell: int
    cells: dict[str, tuple[Picture, str]] = field(default_factory=dict)

    def add(self, column: str, drawn: Picture, words: str = "") -> None:
        """Show a method's picture: the window, or all of it, fitted, where it is of another size than was expected."""
        from henshin.resampling import fitted, resample

        height, width = self.given
        if drawn.shape[:2] == (height * self.scale, width * self.scale):
            shown = self.window.cut(drawn, self.scale)
        else:
            shown = resample(drawn, *fitted(drawn.shape[0], drawn.shape[1], self.cell))
        self.cells[column] = (shown, words)


class Sheet:
    """Collects at most ``rows`` pictures of each set and scale and draws them.

    ``columns`` are the methods' names, between the input, enlarged by whole pixels, and the truth where there is one;
    ``cell`` is the longest side of what is shown of a picture.
    """

    def __init__(self, columns: Sequence[str], rows: int, cell: int, truth: bool) -> None:
        inner = [name for name in columns if name != INPUT]
        self.columns = [INPUT, *inner, TRUTH] if truth else [INPUT, *inner]
        self.rows, self.cell = rows, cell
        self.strips: list[Strip] = []
        self._left = rows

    def check(self, groups: int) -> None:
        """Errors: HenshinError when so many sets and scales would give a sheet that is too large."""
        height = LINE + groups * self.rows * (self.cell + 2 * LINE + GAP)
        if height * self._width > MOST_PIXELS:
            raise HenshinError(
                f"a sheet of {groups * self.rows} rows and {len(self.columns)} columns of {self.cell} pixels would be "
                f"{self._width}x{height}; fewer --rows or smaller --cell would do"
            )

    def begin(self) -> None:
        """Begin another set or scale: it has its own rows."""
        self._left = self.rows

    def strip(self, case: Case, given: Picture, truth: Picture | None) -> Strip | None:
        """Begin a row with a case's input and truth; None when there are enough rows."""
        if not self._left:
            return None
        self._left -= 1
        from henshin.resampling import resample

        side = max(1, self.cell // case.scale)
        window = most_detailed(given, side, side)
        strip = Strip(_title(case), window, case.scale, given.shape[:2], self.cell)
        part = window.cut(given, 1)
        strip.cells[INPUT] = (
            resample(part, part.shape[0] * case.scale, part.shape[1] * case.scale, "nearest"),
            _size(given),
        )
        if truth is not None:
            strip.add(TRUTH, truth, _size(truth))
        self.strips.append(strip)
        return strip

    @property
    def _width(self) -> int:
        return GAP + len(self.columns) * (self.cell + GAP)

    def draw(self) -> Picture:
        """Draw the sheet, (H, W, 3) uint8."""
        import numpy as np
        from PIL import Image, ImageDraw

        heights = [max(shown.shape[0] for shown, _ in strip.cells.values()) for strip in self.strips]
        page = Image.new("RGB", (self._width, LINE + sum(height + 2 * LINE + GAP for height in heights)), "white")
        pen = ImageDraw.Draw(page)
        for number, name in enumerate(self.columns):
            self._write(pen, (self._at(number), 2), name)
        top = LINE
        for strip, height in zip(self.strips, heights, strict=True):
            self._write(pen, (GAP, top + 2), strip.title, self._width)
            for number, name in enumerate(self.columns):
                self._place(page, pen, strip.cells.get(name), (self._at(number), top + LINE), height)
            top += height + 2 * LINE + GAP
        return np.asarray(page)

    def _at(self, column: int) -> int:
        return GAP + column * (self.cell + GAP)

    def _place(
        self,
        page: Image.Image,
        pen: ImageDraw.ImageDraw,
        cell: tuple[Picture, str] | None,
        at: tuple[int, int],
        height: int,
    ) -> None:
        from PIL import Image

        if cell is None:
            self._write(pen, (at[0], at[1] + height // 2), "failed")
            return
        shown, words = cell
        page.paste(Image.fromarray(shown), at)
        self._write(pen, (at[0], at[1] + shown.shape[0] + 2), words)

    def _write(self, pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, room: int | None = None) -> None:
        """Write a line, cut to its room."""
        from PIL import ImageFont

        font = ImageFont.load_default(_FONT_SIZE)
        text = text.encode("latin-1", "replace").decode("latin-1")  # what Pillow's own font has
        while text and font.getlength(text) > (room or self.cell):
            text = text[:-2] + "\N{HORIZONTAL ELLIPSIS}" if len(text) > 2 else ""
        pen.text(at, text, fill="black", font=font)

    def save(self, path: Path) -> None:
        """Write the sheet, whole or not at all. Errors: HenshinError when it cannot be written."""
        from henshin.frame import Metadata
        from henshin.images import WriteOptions, encode, output_format, write_bytes

        data = encode(self.draw(), None, Metadata(), output_format(None, path.suffix), WriteOptions())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
        except OSError as error:
            raise HenshinError(f"cannot write '{path}': {error.strerror or error}") from error


def _title(case: Case) -> str:
    return f"{case.name}  x{case.scale}" if case.scale > 1 else case.name


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"

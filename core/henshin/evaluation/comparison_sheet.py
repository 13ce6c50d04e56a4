"""The sheet to look at: a row for each picture, a column for each method, at one scale.

Where pictures are enlarged, they are shown pixel by pixel, and one that is larger than its cell is not reduced, for
that would hide what is to be seen: of all columns the same part is shown, the one with the most detail. A sheet of
``whole`` pictures shows all of each, at the size of the cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from henshin.evaluation.datasets import EvaluationSample
    from henshin.images.picture import Picture

MOST_PIXELS = 100_000_000
"""Of a whole sheet: 300 MB while it is drawn."""
GAP = 8
LINE = 20
"""Pixels: between two cells, and the height of a line of text."""
_FONT_SIZE = 13
_WIDEST = 400
"""Pixels that the name of a column may take, where that is more than its pictures do."""
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
    """One row of a sheet: a title, and by column what is shown and the words below it.

    Without a ``window`` pictures are shown whole, their longer side that of a cell.
    """

    title: str
    cell: int
    window: Window | None = None
    scale: int = 1
    given: tuple[int, int] = (0, 0)
    captions: bool = True
    cells: dict[str, tuple[Picture, str]] = field(default_factory=dict)

    def add(self, column: str, drawn: Picture, words: str = "") -> None:
        """Show a method's picture: the window, or all of it, fitted, where it is of another size than was expected."""
        from henshin.images.resizing import fit_longest_side, resample

        height, width = self.given
        if self.window is not None and drawn.shape[:2] == (height * self.scale, width * self.scale):
            shown = self.window.cut(drawn, self.scale)
        else:
            shown = resample(drawn, *fit_longest_side(drawn.shape[0], drawn.shape[1], self.cell))
            words = words or _size(drawn)
        self.cells[column] = (shown, words if self.captions else "")

    @property
    def height(self) -> int:
        """Pixels of its highest picture."""
        return max(int(shown.shape[0]) for shown, _ in self.cells.values())

    @property
    def lines(self) -> tuple[int, int]:
        """Pixels for words above and below the pictures."""
        return LINE * bool(self.title), LINE * any(words for _, words in self.cells.values())


class Sheet:
    """Collects at most ``rows`` pictures of each set and scale and draws them.

    ``columns`` are the methods' names, after the input, where there is one, and before the truth, where there is one;
    ``called`` says what stands above a column in place of its name. ``cell`` is the longest side of what is shown of a
    picture; ``whole`` shows all of it. Without ``captions`` only columns are named.
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
        called: Mapping[str, str] | None = None,
        captions: bool = True,
    ) -> None:
        inner = [name for name in columns if name != INPUT]
        self.columns = [*[INPUT] * source, *inner, *[TRUTH] * truth]
        self.heads = [(called or {}).get(name, name) for name in self.columns]
        self.rows, self.cell, self.whole, self.captions = rows, cell, whole, captions
        longest = max((_length(_writable(head)) for head in self.heads), default=0)
        self.wide = max(cell, min(longest, _WIDEST))
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

    def strip(self, case: EvaluationSample, given: Picture, truth: Picture | None) -> Strip | None:
        """Begin a row with a case's input and truth; None when there are enough rows."""
        if not self._left:
            return None
        self._left -= 1
        strip = self.bare(_title(case)) if self.whole else self._enlarged(case, given)
        if self.whole:
            strip.add(INPUT, given)
        if truth is not None:
            strip.add(TRUTH, truth, _size(truth))
        return strip

    def bare(self, title: str = "") -> Strip:
        """Begin a row of whole pictures, none of them there yet."""
        self.strips.append(Strip(title if self.captions else "", self.cell, captions=self.captions))
        return self.strips[-1]

    def _enlarged(self, case: EvaluationSample, given: Picture) -> Strip:
        """Begin a row of what is enlarged, with the input by whole pixels."""
        from henshin.images.resizing import resample

        side = max(1, self.cell // case.scale)
        window = most_detailed(given, side, side)
        strip = self.bare(_title(case))
        strip.window, strip.scale, strip.given = window, case.scale, given.shape[:2]
        part = window.cut(given, 1)
        shown = resample(part, part.shape[0] * case.scale, part.shape[1] * case.scale, "nearest")
        strip.cells[INPUT] = (shown, _size(given) if self.captions else "")
        return strip

    @property
    def _width(self) -> int:
        return GAP + len(self.columns) * (self.wide + GAP)

    def draw(self) -> Picture:
        """Draw the sheet, (H, W, 3) uint8."""
        import numpy as np
        from PIL import Image, ImageDraw

        strips = [strip for strip in self.strips if strip.cells]
        height = LINE + sum(strip.height + sum(strip.lines) + GAP for strip in strips)
        page = Image.new("RGB", (self._width, height), "white")
        pen = ImageDraw.Draw(page)
        for number, head in enumerate(self.heads):
            self._write(pen, (self._at(number), 2), head)
        top = LINE
        for strip in strips:
            above, below = strip.lines
            self._write(pen, (GAP, top + 2), strip.title, self._width)
            for number, name in enumerate(self.columns):
                self._place(page, pen, strip.cells.get(name), (self._at(number), top + above), strip.height)
            top += above + strip.height + below + GAP
        return np.asarray(page)

    def _at(self, column: int) -> int:
        return GAP + column * (self.wide + GAP)

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
        text = _writable(text)
        while text and _length(text) > (room or self.wide):
            text = text[:-2] + "\N{HORIZONTAL ELLIPSIS}" if len(text) > 2 else ""
        pen.text(at, text, fill="black", font=_font())

    def save(self, path: Path) -> None:
        """Write the sheet, whole or not at all. Errors: HenshinError when it cannot be written."""
        from henshin.images import WriteOptions, encode, output_format, write_bytes
        from henshin.images.picture import Metadata

        data = encode(self.draw(), None, Metadata(), output_format(None, path.suffix), WriteOptions())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
        except OSError as error:
            raise HenshinError(f"cannot write '{path}': {error.strerror or error}") from error


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_FONT_SIZE)


def _length(text: str) -> int:
    """Pixels that a line of text takes."""
    return math.ceil(float(_font().getlength(text)))


def _writable(text: str) -> str:
    """Return what Pillow's own font has of a text."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _title(case: EvaluationSample) -> str:
    return f"{case.name}  x{case.scale}" if case.scale > 1 else case.name


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"

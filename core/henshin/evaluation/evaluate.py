"""The figures: every method on every case, and what could not be measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from henshin.errors import HenshinError, PictureError
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.evaluation.comparison_sheet import Sheet
    from henshin.evaluation.datasets import EvaluationSample, PictureSet
    from henshin.evaluation.methods import Method
    from henshin.images.picture import Picture

Ended = Callable[[str, "str | None"], None]
"""Called with a case's name and why it failed (None: it did not), once for each case."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one method reached on one picture: ``psnr`` in dB (inf: equal to the truth), ``ssim`` at most 1."""

    picture: str
    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A picture that could not be measured; ``method`` is None where no method came to see it."""

    set: str
    picture: str
    scale: int | None
    method: str | None
    reason: str


@dataclass
class Row:
    """A line of the table: one method on one set at one scale. ``pixels`` and ``seconds`` are those of its work."""

    set: str
    scale: int
    method: str
    figures: list[Figure] = field(default_factory=list)
    failed: int = 0
    pixels: int = 0
    seconds: float = 0.0

    @property
    def psnr(self) -> float | None:
        """The mean in dB of the pictures' own, as papers have it; None without pictures."""
        return _mean([figure.psnr for figure in self.figures])

    @property
    def ssim(self) -> float | None:
        """The mean; None without pictures."""
        return _mean([figure.ssim for figure in self.figures])

    @property
    def megapixels_per_second(self) -> float | None:
        """Pixels that it drew in a second, or None where no time was measured."""
        return self.pixels / self.seconds / 1e6 if self.seconds > 0 and self.pixels else None


@dataclass
class Results:
    """All that came out. Rows stand in the order of the sets, scales and methods."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all was measured, 1 something was not."""
        return 1 if self.faults else 0

    def as_dict(self) -> dict[str, Any]:
        """Everything, for machines; a PSNR that is infinite is null, for JSON knows no infinity."""
        return {
            "results": [_row_dict(row) for row in self.rows],
            "failures": [
                {"set": one.set, "picture": one.picture, "scale": one.scale, "method": one.method, "reason": one.reason}
                for one in self.faults
            ],
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class MetricSettings:
    """How a picture is held against its truth.

    ``channels`` "y" measures the luma, "rgb" all three; ``border`` pixels are left out at each side (None: as many as
    the scale, of pairs of one size none).
    """

    channels: Literal["y", "rgb"] = "y"
    border: int | None = None

    def figure(self, name: str, drawn: Picture, truth: Picture, scale: int) -> Figure:
        """Measure one picture. Errors: PictureError when the two are of different sizes, or too small."""
        from henshin.images.metrics import crop_border, luma, psnr, ssim

        if drawn.shape != truth.shape:
            raise PictureError(f"the result is {_size(drawn)} pixels and the truth {_size(truth)}")
        self.check(truth, scale)
        border = self._border(scale)
        one, other = (
            crop_border(luma(picture) if self.channels == "y" else picture, border) for picture in (drawn, truth)
        )
        return Figure(name, psnr(one, other), ssim(one, other))

    def check(self, truth: Picture, scale: int) -> None:
        """Errors: PictureError when the truth is too small, whatever is held against it."""
        from henshin.images.metrics import WINDOW

        border = self._border(scale)
        if min(truth.shape[:2]) < WINDOW + 2 * border:
            least = f"{WINDOW}x{WINDOW}" + (f" within a border of {border}" if border else "")
            raise PictureError(f"{_size(truth)} pixels are too few to be measured: it takes {least}")

    def _border(self, scale: int) -> int:
        return self.border if self.border is not None else scale * (scale > 1)


def evaluate(
    sets: Sequence[tuple[PictureSet, Sequence[int]]],
    methods_at: Callable[[int], Sequence[Method]],
    ruler: MetricSettings,
    ended: Ended,
    sheet: Sheet | None = None,
) -> Results:
    """Let every method draw every case of the sets, each at its scales, and measure what comes.

    ``methods_at`` gives the methods of a scale. Cases without a truth are drawn for the sheet alone. A picture that
    fails is among the faults, and the others go on. Errors: HenshinError when a method cannot work at all.
    """
    results = Results()
    for pictures, scales in sets:
        for name, reason in pictures.unfit:
            results.faults.append(Fault(pictures.name, name, None, None, reason))
            ended(_path(pictures, name), reason)
        for scale in scales:
            _one_scale(pictures, scale, methods_at(scale), ruler, ended, sheet, results)
    return results


def _one_scale(
    pictures: PictureSet,
    scale: int,
    methods: Sequence[Method],
    ruler: MetricSettings,
    ended: Ended,
    sheet: Sheet | None,
    results: Results,
) -> None:
    cases = pictures.cases(scale)
    rows = {method.name: Row(pictures.name, scale, method.name) for method in methods}
    for method in methods:
        method.begin(cases, scale)
    if sheet is not None:
        sheet.begin()
    for case in cases:
        faults = _one_case(case, methods, rows, ruler, sheet)
        results.faults += [Fault(pictures.name, case.name, scale, *fault) for fault in faults]
        ended(_path(pictures, case.name), "; ".join(_told(*fault) for fault in faults) or None)
    for method in methods:
        rows[method.name].seconds = method.seconds
    results.rows += rows.values()


def _one_case(
    case: EvaluationSample, methods: Sequence[Method], rows: dict[str, Row], ruler: MetricSettings, sheet: Sheet | None
) -> list[tuple[str | None, str]]:
    """Measure one case and lay it on the sheet; return who failed, and why."""
    try:
        given, truth = case.load()
        if truth is not None:
            ruler.check(truth, case.scale)
    except Exception as error:
        for row in rows.values():
            row.failed += 1
        return [(None, _reason(error))]
    strip = sheet.strip(case, given, truth) if sheet is not None else None
    faults: list[tuple[str | None, str]] = []
    for method in methods:
        row = rows[method.name]
        try:
            drawn = method.draw(case, given)
            figure = ruler.figure(case.name, drawn, truth, case.scale) if truth is not None else None
        except Exception as error:
            row.failed += 1
            faults.append((method.name, _reason(error)))
            continue
        row.pixels += drawn.shape[0] * drawn.shape[1]
        if figure is not None:
            row.figures.append(figure)
        if strip is not None:
            strip.add(method.name, drawn, "" if figure is None else f"{decibel(figure.psnr)} dB")
    return faults


def decibel(value: float | None) -> str:
    """Write a PSNR as tables have it."""
    return "-" if value is None else "equal" if math.isinf(value) else f"{value:.2f}"


def _reason(error: Exception) -> str:
    if isinstance(error, PictureError):
        return error.reason
    return str(error) if isinstance(error, HenshinError) else one_line(error)


def _path(pictures: PictureSet, name: str) -> str:
    """Write a picture with its set before it, if that has a name: pictures of a sheet are named whole."""
    return f"{pictures.name}/{name}" if pictures.name else name


def _told(method: str | None, reason: str) -> str:
    return reason if method is None else f"{method}: {reason}"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "set": row.set,
        "scale": row.scale,
        "method": row.method,
        "psnr": _finite(row.psnr),
        "ssim": row.ssim,
        "pictures": len(row.figures),
        "failed": row.failed,
        "seconds": round(row.seconds, 4),
        "megapixels_per_second": row.megapixels_per_second,
        "each": [{"picture": one.picture, "psnr": _finite(one.psnr), "ssim": one.ssim} for one in row.figures],
    }

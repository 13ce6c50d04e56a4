"""The evaluation: the scores (PSNR, SSIM) of every method on every sample, and the failures."""

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

OnSampleEnd = Callable[[str, str | None], None]
"""Called once for each sample, with its name and the reason why it failed (None: it did not)."""


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of one method on one picture: ``psnr`` in dB (inf: equal to the ground truth), ``ssim`` at most 1."""

    picture: str
    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True)
class EvaluationFailure:
    """A picture that could not be measured; ``method`` is None where it failed before any method ran."""

    set: str
    picture: str
    scale: int | None
    method: str | None
    reason: str


@dataclass
class Row:
    """A row of the table: one method on one set at one scale, with the pixels and the seconds of its results."""

    set: str
    scale: int
    method: str
    scores: list[Score] = field(default_factory=list)
    failed: int = 0
    pixels: int = 0
    seconds: float = 0.0

    @property
    def psnr(self) -> float | None:
        """The mean of the pictures' PSNR in dB, as in papers; None without pictures."""
        return _mean([score.psnr for score in self.scores])

    @property
    def ssim(self) -> float | None:
        """The mean of the pictures' SSIM; None without pictures."""
        return _mean([score.ssim for score in self.scores])

    @property
    def megapixels_per_second(self) -> float | None:
        """Megapixels of results per second, or None where no time was measured."""
        return self.pixels / self.seconds / 1e6 if self.seconds > 0 and self.pixels else None


@dataclass
class Results:
    """The results of an evaluation. Rows are in the order of the sets, scales and methods."""

    rows: list[Row] = field(default_factory=list)
    failures: list[EvaluationFailure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code: 0 all was measured, 1 something was not."""
        return 1 if self.failures else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the results for JSON; an infinite PSNR is null, because JSON has no infinity."""
        return {
            "results": [_row_dict(row) for row in self.rows],
            "failures": [
                {"set": one.set, "picture": one.picture, "scale": one.scale, "method": one.method, "reason": one.reason}
                for one in self.failures
            ],
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class MetricSettings:
    """The settings of PSNR and SSIM.

    ``channels`` "y" measures the luma, "rgb" all three channels; ``border`` pixels are left out at each side (None: as
    many as the scale, and none at scale 1).
    """

    channels: Literal["y", "rgb"] = "y"
    border: int | None = None

    def score(self, name: str, result: Picture, truth: Picture, scale: int) -> Score:
        """Return the scores of one picture. Errors: PictureError when sizes differ or are too small."""
        from henshin.images.measures.metrics import crop_border, luma, psnr, ssim

        if result.shape != truth.shape:
            raise PictureError(f"the result is {_size(result)} pixels and the truth {_size(truth)}")
        self.check(truth, scale)
        border = self._border_at(scale)
        one, other = (
            crop_border(luma(picture) if self.channels == "y" else picture, border) for picture in (result, truth)
        )
        return Score(name, psnr(one, other), ssim(one, other))

    def check(self, truth: Picture, scale: int) -> None:
        """Check that a ground truth is large enough to be measured. Errors: PictureError."""
        from henshin.images.measures.metrics import WINDOW

        border = self._border_at(scale)
        if min(truth.shape[:2]) < WINDOW + 2 * border:
            least = f"{WINDOW}x{WINDOW}" + (f" within a border of {border}" if border else "")
            raise PictureError(f"{_size(truth)} pixels are too few to be measured: it takes {least}")

    def _border_at(self, scale: int) -> int:
        return self.border if self.border is not None else scale * (scale > 1)


def evaluate(
    sets: Sequence[tuple[PictureSet, Sequence[int]]],
    methods_at: Callable[[int], Sequence[Method]],
    settings: MetricSettings,
    ended: OnSampleEnd,
    sheet: Sheet | None = None,
) -> Results:
    """Apply every method to every sample of the sets, each at its scales, and measure the results.

    ``methods_at`` returns the methods at a scale. Samples without ground truth are only put on the sheet. A picture
    that fails is among the failures, and the others go on. Errors: HenshinError when a method cannot work at all.
    """
    results = Results()
    for dataset, scales in sets:
        for name, reason in dataset.unfit:
            results.failures.append(EvaluationFailure(dataset.name, name, None, None, reason))
            ended(_display_name(dataset, name), reason)
        for scale in scales:
            _evaluate_scale(dataset, scale, methods_at(scale), settings, ended, sheet, results)
    return results


def _evaluate_scale(
    dataset: PictureSet,
    scale: int,
    methods: Sequence[Method],
    settings: MetricSettings,
    ended: OnSampleEnd,
    sheet: Sheet | None,
    results: Results,
) -> None:
    samples = dataset.samples(scale)
    rows = {method.name: Row(dataset.name, scale, method.name) for method in methods}
    for method in methods:
        method.begin(samples, scale)
    if sheet is not None:
        sheet.begin()
    for sample in samples:
        failures = _evaluate_sample(sample, methods, rows, settings, sheet)
        results.failures += [EvaluationFailure(dataset.name, sample.name, scale, *failure) for failure in failures]
        ended(_display_name(dataset, sample.name), "; ".join(_failure_line(*failure) for failure in failures) or None)
    for method in methods:
        rows[method.name].seconds = method.seconds
    results.rows += rows.values()


def _evaluate_sample(
    sample: EvaluationSample,
    methods: Sequence[Method],
    rows: dict[str, Row],
    settings: MetricSettings,
    sheet: Sheet | None,
) -> list[tuple[str | None, str]]:
    """Measure one sample and put it on the sheet; return (method, reason) of each failure."""
    try:
        source, truth = sample.load()
        if truth is not None:
            settings.check(truth, sample.scale)
    except Exception as error:
        for row in rows.values():
            row.failed += 1
        return [(None, _reason(error))]
    strip = sheet.strip(sample, source, truth) if sheet is not None else None
    failures: list[tuple[str | None, str]] = []
    for method in methods:
        row = rows[method.name]
        try:
            result = method.apply(sample, source)
            score = settings.score(sample.name, result, truth, sample.scale) if truth is not None else None
        except Exception as error:
            row.failed += 1
            failures.append((method.name, _reason(error)))
            continue
        row.pixels += result.shape[0] * result.shape[1]
        if score is not None:
            row.scores.append(score)
        if strip is not None:
            strip.add(method.name, result, "" if score is None else f"{decibel(score.psnr)} dB")
    return failures


def decibel(value: float | None) -> str:
    """Return a PSNR as text for a table."""
    return "-" if value is None else "equal" if math.isinf(value) else f"{value:.2f}"


def _reason(error: Exception) -> str:
    if isinstance(error, PictureError):
        return error.reason
    return str(error) if isinstance(error, HenshinError) else one_line(error)


def _display_name(dataset: PictureSet, name: str) -> str:
    """Return a picture's name with that of its set before it, if it has one."""
    return f"{dataset.name}/{name}" if dataset.name else name


def _failure_line(method: str | None, reason: str) -> str:
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
        "pictures": len(row.scores),
        "failed": row.failed,
        "seconds": round(row.seconds, 4),
        "megapixels_per_second": row.megapixels_per_second,
        "each": [{"picture": one.picture, "psnr": _finite(one.psnr), "ssim": one.ssim} for one in row.scores],
    }

"""Fourier spectra of folders: mean spectra, radial curves, detail outside edges, and what a translation changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from henshin.errors import HenshinError, PictureError
from henshin.images import header_size, open_picture, read
from henshin.images.measures.spectra import (
    Pattern,
    PatternFinder,
    grey,
    high_pass,
    high_share,
    middle,
    near_edges,
    power,
    radial_curve,
)
from henshin.images.resizing import resample

if TYPE_CHECKING:
    from henshin.evaluation.datasets import PictureSet

LEAST_SIDE, MOST_SIDE = 32, 256
"""Least and largest side of the squares that are transformed, in pixels, unless the user names one."""

_SEARCHED = 512
"""Side of the middle square of a picture in which patterns are looked for, in pixels."""

BAND = (10, 90)
"""Percentiles between which the band of a radial curve lies."""

Finished = Callable[[str, str | None], None]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PictureSpectrum:
    """The figures of one picture: radial power curve (S/2,), share and energy; see ``SetSpectrum``."""

    curve: Values
    high_share: float
    outside_edges: float | None


@dataclass
class SetSpectrum:
    """The spectra of a set. ``mean_power`` is (S, S), ``pictures`` one entry for each picture that was measured.

    ``shown`` is the first picture's square, or that of the picture that was asked for, with its power spectrum.
    ``changes`` holds, against sources, the change of the energy above half of the Nyquist frequency in dB, a pair each;
    ``alone`` counts pictures without a source. ``patterns`` is None where there were too few pixels to tell.
    """

    name: str
    mean_power: Values
    pictures: list[PictureSpectrum] = field(default_factory=list)
    shown: tuple[str, Values, Values] | None = None
    patterns: list[Pattern] | None = None
    changes: list[float] = field(default_factory=list)
    alone: int = 0
    resized: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def side(self) -> int:
        """Side of the squares, in pixels."""
        return len(self.mean_power)

    @property
    def shares(self) -> Values:
        """Share of the energy above half of the Nyquist frequency of each picture, 0 to 1, without its mean."""
        return np.array([one.high_share for one in self.pictures])

    @property
    def outside_edges(self) -> float | None:
        """Root mean square, in grey levels, of what lies above half of Nyquist outside edges; None if all is edges."""
        values = [one.outside_edges for one in self.pictures if one.outside_edges is not None]
        return 255 * float(np.sqrt(np.mean(values))) if values else None

    def curves(self) -> tuple[Values, Values, Values, Values]:
        """Return frequencies in units of Nyquist, the mean power there, and the band's lower and upper ends."""
        curves = np.stack([one.curve for one in self.pictures])
        lower, upper = np.percentile(curves, BAND, axis=0)
        return np.arange(self.side // 2) * 2 / self.side, curves.mean(axis=0), lower, upper

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        frequencies, mean, lower, upper = self.curves()
        found = None if self.patterns is None else [vars_of(one) for one in self.patterns]
        return {
            "name": self.name,
            "pictures": len(self.pictures),
            "side": self.side,
            "energy_above_half_nyquist": _spread(self.shares),
            "high_frequencies_outside_edges_grey_levels": self.outside_edges,
            "change_of_energy_above_half_nyquist_db": _spread(np.array(self.changes)) if self.changes else None,
            "without_source": self.alone,
            "resized_sources": self.resized,
            "patterns": found,
            "radial_power": {
                "frequency": frequencies.tolist(),
                "mean": mean.tolist(),
                "p10": lower.tolist(),
                "p90": upper.tolist(),
            },
            "failures": [{"picture": name, "reason": reason} for name, reason in self.failures],
        }


def vars_of(pattern: Pattern) -> dict[str, Any]:
    """Return a pattern for JSON."""
    return {"period": pattern.period, "decibels": pattern.decibels, "frequency_xy": list(pattern.place)}


def common_side(sets: Sequence[PictureSet]) -> int:
    """Return the side of the largest square that all pictures hold, even, and at most 256.

    Pictures below 32 pixels, and those that cannot be read, do not count: they are told when they are measured.
    Errors: HenshinError if no picture is large enough.
    """
    sides = [side for one in sets for _, path, _ in one.members if (side := _shorter_side(path)) >= LEAST_SIDE]
    if not sides:
        raise HenshinError(f"no picture can be read that has at least {LEAST_SIDE} pixels on its shorter side")
    return min(MOST_SIDE, *sides) // 2 * 2


def _shorter_side(path: Path) -> int:
    """Return the shorter side in pixels as the file's head says it; 0 for a file that cannot be read."""
    try:
        with open_picture(path) as file:
            return min(header_size(file, path.suffix) or (0,))
    except PictureError:
        return 0


def spectrum_of(
    pictures: PictureSet, side: int, finished: Finished, sources: Mapping[str, Path] | None = None, shown: str = ""
) -> SetSpectrum:
    """Measure the middle square of every picture of a set, in luma from 0 to 1.

    ``sources`` are the photos of the translations, by the translations' names; one of another size is resampled to its
    translation's. ``shown`` is the name of the picture to keep for the figure; else it is the first.
    ``finished`` is called after each picture with its name and, where it failed, the reason.
    Errors: HenshinError if no picture can be measured.
    """
    result = SetSpectrum(pictures.name, np.zeros((side, side)), failures=list(pictures.unfit))
    finder = PatternFinder()
    for name, plane in _planes(pictures, side, finished, result.failures):
        square = middle(plane, side)
        powers = power(square)
        result.mean_power += powers
        result.pictures.append(_measure(square, powers))
        if result.shown is None or name == shown:
            result.shown = (name, square, powers)
        finder.add(middle(plane, min(*plane.shape, _SEARCHED)))
        if sources is not None:
            _add_change(result, sources.get(name), plane, side)
    if not result.pictures:
        raise HenshinError(f"'{pictures.name}': no picture can be measured ({_reasons(result.failures)})")
    result.mean_power /= len(result.pictures)
    result.patterns = finder.patterns()
    return result


def _planes(
    pictures: PictureSet, side: int, finished: Finished, failures: list[tuple[str, str]]
) -> Iterator[tuple[str, Values]]:
    for name, path, _ in pictures.members:
        reason = None
        try:
            picture = read(path).picture
            if min(picture.shape[:2]) < side:
                raise PictureError(f"{picture.shape[1]}x{picture.shape[0]} pixels hold no square of {side}")
            yield name, grey(picture)
        except PictureError as error:
            reason = error.reason
            failures.append((name, reason))
        finished(name, reason)


def _measure(square: Values, powers: Values) -> PictureSpectrum:
    high = high_pass(square) ** 2
    flat = ~near_edges(square)
    outside = float(high[flat].mean()) if flat.any() else None
    return PictureSpectrum(radial_curve(powers), high_share(powers), outside)


def _add_change(result: SetSpectrum, source: Path | None, translated: Values, side: int) -> None:
    """Add the change from a source to its translation, measured in the same square of both."""
    if source is None:
        result.alone += 1
        return
    try:
        photo = read(source).picture
    except PictureError as error:
        result.failures.append((str(source), error.reason))
        return
    if photo.shape[:2] != translated.shape:
        photo = resample(photo, *translated.shape)
        result.resized += 1
    before, after = (float((high_pass(middle(plane, side)) ** 2).mean()) for plane in (grey(photo), translated))
    result.changes.append(10 * float(np.log10(max(after, 1e-12) / max(before, 1e-12))))


def _reasons(failures: Sequence[tuple[str, str]]) -> str:
    return f"{failures[0][0]}: {failures[0][1]}" if failures else "it is empty"


def _spread(values: Values) -> dict[str, float]:
    lower, upper = np.percentile(values, BAND)
    return {"mean": float(values.mean()), "p10": float(lower), "p90": float(upper)}

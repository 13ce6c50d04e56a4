"""The table of figures, and the verdict: which model is better, by a network that trained none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from quality.judges import NETWORKS

if TYPE_CHECKING:
    from henshin.models import Contract

Figures = Mapping[str, Mapping[str, Any]]
"""The figures of a model by scope: "all", the sets, the groups."""

ALL = "all"

TITLES = {network.letter: network.title for network in NETWORKS}

HEADINGS = (
    ("", 16), ("N", 5), ("R [90 %]", 18), ("V [90 %]", 18), ("VARIETY R/V", 13), ("KEPT", 6), ("SKIN (L, C)", 20),
    ("LIGHTER", 9), ("HAIR (L, C)", 20), ("LANDMARKS", 13), ("DRAWN FACE", 10),
)  # fmt: skip
"""Columns of the table and their widths."""

MISSING = "-"
"""What stands for a figure that was not measured."""


def trained_by(contract: Contract) -> frozenset[str]:
    """Return the feature networks that a model's origin says it was trained with."""
    origin = contract.origin
    found = {"efficientnet": '"projected"' in origin, "vgg": "recipe cartoongan" in origin}
    return frozenset(name for name, used in found.items() if used)


def judge(trained: Mapping[str, frozenset[str]]) -> tuple[str | None, str]:
    """Return the letter of the network that judges models with these trainings, and why; None if there is no such."""
    used = frozenset().union(*trained.values())
    free = [network.letter for network in reversed(NETWORKS) if network.network not in used]
    spoiled = [
        f"{network.title} trained {', '.join(model for model, by in trained.items() if network.network in by)}"
        for network in NETWORKS
        if network.network in used
    ]
    why = "; ".join(spoiled) or "neither network is known to have trained any of them"
    return (free[0] if free else None), why


def table(figures: Figures) -> Iterator[str]:
    """Yield the lines of a model's table."""
    yield "".join(title.ljust(width) for title, width in HEADINGS).rstrip()
    for scope, values in figures.items():
        cells = [scope, str(values["n"]), _interval(values, "R"), _interval(values, "V"), _varieties(values)]
        cells += [_number(values.get("kept")), _region(values, "skin"), _lighter(values), _region(values, "hair")]
        cells += [_landmarks(values), _number(values.get("drawn_face_found"))]
        yield "".join(cell.ljust(width) for cell, (_, width) in zip(cells, HEADINGS, strict=True)).rstrip()


def _number(value: float | None, places: int = 2) -> str:
    return MISSING if value is None else f"{value:.{places}f}"


def _interval(values: Mapping[str, Any], letter: str) -> str:
    one = values.get(letter)
    return f"{one['value']:.3f} [{one['low']:.2f} {one['high']:.2f}]" if one else MISSING


def _varieties(values: Mapping[str, Any]) -> str:
    found = [f"{values[letter]['variety']:.2f}" for letter in ("R", "V") if letter in values]
    return "/".join(found) or MISSING


def _region(values: Mapping[str, Any], region: str) -> str:
    one = values.get(region)
    return f"{one['distance']:.1f} ({one['lightness']:.1f}, {one['chroma']:.1f})" if one else MISSING


def _lighter(values: Mapping[str, Any]) -> str:
    return f"{values['skin']['lighter']:+.1f}" if "skin" in values else MISSING


def _landmarks(values: Mapping[str, Any]) -> str:
    return f"{values['landmarks_found']:.2f} {_number(values['landmark_distance'], 3)}"


# -- The verdict


def verdict(figures: Mapping[str, Figures], trained: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield the lines of the verdict over the models: the judge, then its ratio, variety, and colours by group."""
    letter, why = judge(trained)
    if letter is None:
        yield f"judge: none, for {why}; trust the sheets"
        return
    yield f"judge: {letter} ({TITLES[letter]}); {why}"
    if len(figures) < 2:
        yield "one model: nothing to compare"
        return
    if all(letter in of[ALL] for of in figures.values()):
        yield from _ranking(figures, letter)
    else:
        yield f"{letter}: too few photos or drawings"
    for region in ("skin", "hair"):
        yield from _best(figures, f"{region} kept best", _distance(region), 1)
    if all("drawn_face_found" in of[ALL] for of in figures.values()):
        yield from _best(figures, "drawn faces found most", lambda of: float(of["drawn_face_found"]), 2, most=True)


def _ranking(figures: Mapping[str, Figures], letter: str) -> Iterator[str]:
    of_all = {model: of[ALL][letter] for model, of in figures.items()}
    ranked = sorted(of_all, key=lambda model: float(of_all[model]["value"]))
    for better, worse in pairwise(ranked):
        one, other = of_all[better], of_all[worse]
        apart = "intervals apart" if one["high"] < other["low"] else "intervals overlap"
        share = float((one["resamples"] < other["resamples"]).mean())
        yield (
            f"{letter}: {better} {one['value']:.3f} is better than {worse} {other['value']:.3f}: {apart}, "
            f"better in {share:.1%} of the resamples"
        )
    varied = sorted(of_all, key=lambda model: -float(of_all[model]["variety"]))
    yield f"variety by {letter}: " + " > ".join(f"{model} {of_all[model]['variety']:.2f}" for model in varied)


def _distance(region: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda of: float(of[region]["distance"])


def _best(
    figures: Mapping[str, Figures],
    what: str,
    figure: Callable[[Mapping[str, Any]], float],
    places: int,
    most: bool = False,
) -> Iterator[str]:
    """Yield a line for each model with the scopes in which it has the least figure, or the most; none where equal."""
    won: dict[str, list[str]] = {model: [] for model in figures}
    for scope in next(iter(figures.values())):
        values = {model: figure(of[scope]) for model, of in figures.items()}
        best, *others = sorted(values, key=values.__getitem__, reverse=most)
        if values[best] != values[others[0]]:
            beaten = ", ".join(f"{values[model]:.{places}f}" for model in others)
            won[best].append(f"{scope} {values[best]:.{places}f} (against {beaten})")
    for model, scopes in won.items():
        yield f"{what} by {model}: {'; '.join(scopes) or 'no group'}"

"""Metrics of whole sets, from the features of a network: KID, FID, precision and recall, variety, style-ratio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.errors import HenshinError
from henshin.metrics.bootstrap import mean_estimate
from henshin.metrics.figures import Figure
from henshin.metrics.frechet import frechet_estimate
from henshin.metrics.kernel_distance import kid_estimate, ratio, variety_estimate
from henshin.metrics.picture_sets import Pairs
from henshin.metrics.precision_recall import LEAST, share_within
from henshin.metrics.toolbox import INCEPTION, RULER, FeatureNetwork, Toolbox, scale_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

FEW = 20
"""Pictures below which a figure of a set says little; it is told."""


class TooFewError(HenshinError):
    """A set has fewer pictures than a metric needs."""


@dataclass(frozen=True)
class Vectors:
    """The features of a set by one network: a row (D,) for each of its names."""

    names: Sequence[str]
    rows: Array

    def of(self, names: Sequence[str]) -> Array:
        """Return the rows of these names."""
        places = {name: i for i, name in enumerate(self.names)}
        return self.rows[[places[name] for name in names]]


@dataclass(frozen=True)
class Features:
    """What a metric of sets is computed from: a network, the features of the sets by role, pairs with sources."""

    network: FeatureNetwork
    sets: Mapping[str, Vectors]
    pairs: Pairs
    seed: int
    resamples: int

    def rows(self, role: str, least: int) -> Array:
        """Return the features of a set. Errors: TooFewError."""
        rows = self.sets[role].rows
        check_count(role, len(rows), least)
        return rows

    @property
    def own(self) -> bool:
        """Whether the network is the one that papers use."""
        return self.network.key == INCEPTION

    def key(self, name: str) -> str:
        """Return the metric's key: with the network, unless that is the papers' own."""
        return name if self.own else f"{name}-{self.network.key}"


Compute = Callable[[Features], list[Figure]]


@dataclass(frozen=True)
class SetMetric:
    """A metric of sets. `ruler`: by the two networks of the project's ruler, else by the judges of the toolbox."""

    compute: Compute
    ruler: bool = False
    needs_source: bool = False

    def networks(self, tools: Toolbox) -> Sequence[str]:
        """Return the keys of the networks that it is measured by."""
        return RULER if self.ruler else tools.judges

    def measure(
        self, network: FeatureNetwork, sets: Mapping[str, Vectors], pairs: Pairs, seed: int, resamples: int
    ) -> list[Figure]:
        """Return the figures of sets by their roles ("real", "fake", "source"). Errors: TooFewError."""
        return self.compute(Features(network, sets, pairs, seed, resamples))


def check_count(role: str, count: int, least: int) -> None:
    """Check that a set has enough pictures. Errors: TooFewError."""
    if count < least:
        raise TooFewError(f"--{role} has {count} pictures that can be read; it takes at least {least}")


def _counts(**sets: Array) -> dict[str, int]:
    return {role: len(rows) for role, rows in sets.items()}


def _few(counts: Mapping[str, int]) -> list[str]:
    return [f"fewer than {FEW} pictures say little"] if min(counts.values()) < FEW else []


def _kid(f: Features) -> list[Figure]:
    real, fake = f.rows("real", 2), f.rows("fake", 2)
    scale, counts = scale_of(f.network, real), _counts(real=real, fake=fake)
    found = kid_estimate(fake / scale, real / scale, f.seed, f.resamples)
    title = "KID" if f.own else f"KID ({f.network.title})"
    return [Figure.of(f.key("kid"), title, found, "lower", counts, notes=_few(counts))]


def _fid(f: Features) -> list[Figure]:
    real, fake = f.rows("real", 2), f.rows("fake", 2)
    counts = _counts(real=real, fake=fake)
    found = frechet_estimate(fake, real, f.seed, f.resamples)
    key, title = ("fid", "FID") if f.own else (f.key("frechet"), f"Fréchet distance ({f.network.title})")
    least = min(counts.values())
    notes = _few(counts)
    if least <= fake.shape[1]:
        notes.append(f"of {least} pictures and {fake.shape[1]} features: compare with sets of as many pictures only")
    return [Figure.of(key, title, found, "lower", counts, normal=True, notes=notes)]


def _precision_recall(f: Features) -> list[Figure]:
    real, fake = f.rows("real", LEAST), f.rows("fake", LEAST)
    counts = _counts(real=real, fake=fake)
    figures = []
    for name, judged, reference in (("precision", fake, real), ("recall", real, fake)):
        found = mean_estimate(share_within(judged, reference), f.seed, f.resamples)
        title = f"{name} ({f.network.title})"  # the paper's own network is VGG-16
        figures.append(Figure.of(f"{name}-{f.network.key}", title, found, "higher", counts, notes=_few(counts)))
    return figures


def _variety(f: Features) -> list[Figure]:
    real, fake = f.rows("real", 2), f.rows("fake", 2)
    counts = _counts(real=real, fake=fake)
    found = variety_estimate(fake, real, f.seed, f.resamples)
    title = f"variety ({f.network.title})"
    return [Figure.of(f.key("variety"), title, found, "nearer to 1", counts, notes=_few(counts))]


def _style_ratio(f: Features) -> list[Figure]:
    real = f.rows("real", 2)
    readable = {role: set(f.sets[role].names) for role in ("fake", "source")}
    pairs = [(one, other) for one, other in f.pairs.matched if one in readable["fake"] and other in readable["source"]]
    if len(pairs) < 2:
        raise TooFewError(f"{len(pairs)} translations have a source of their name; it takes at least 2")
    scale = scale_of(f.network, real)
    fake, source = f.sets["fake"].of([one for one, _ in pairs]), f.sets["source"].of([other for _, other in pairs])
    found = ratio(source / scale, fake / scale, real / scale, f.seed, f.resamples)
    counts = {"real": len(real), "pairs": len(pairs)}
    title = f"style-ratio ({f.network.title})"
    return [Figure.of(f.key("style-ratio"), title, found, "lower", counts, notes=_few(counts))]


SET_METRICS = {
    "kid": SetMetric(_kid),
    "fid": SetMetric(_fid),
    "precision-recall": SetMetric(_precision_recall),
    "variety": SetMetric(_variety, ruler=True),
    "style-ratio": SetMetric(_style_ratio, ruler=True, needs_source=True),
}
"""The metrics of sets by name, in their order."""

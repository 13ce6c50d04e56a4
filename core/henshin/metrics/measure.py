"""The evaluation of sets of pictures: every metric asked for that these sets allow, each with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.errors import HenshinError, MissingError, PictureError
from henshin.metrics.bootstrap import RESAMPLES, mean_estimate
from henshin.metrics.figures import Figure, OnPicture, Results, ignore
from henshin.metrics.picture_sets import FileSet, Pairs, to_size_of
from henshin.metrics.set_metrics import SET_METRICS, SetMetric, TooFewError, Vectors
from henshin.metrics.toolbox import RULER, PairMeasure, Toolbox

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.images.picture import Picture

    Array: TypeAlias = npt.NDArray[np.float64]

PAIR_METRICS = {"lpips": "real", "psnr": "real", "ssim": "real",
                "kept": "source", "identity": "source", "landmarks": "source"}  # fmt: skip
"""Metrics of pairs, with the set in which a translation's partner is: its true picture, or its source."""

METRICS = (*SET_METRICS, *PAIR_METRICS)
"""All metrics, in their order."""

_NO_SOURCE = "it needs the sources of the translations: --source"

AT_ONCE = 64
"""Pictures that are held in memory at once."""


def usual_metrics(source: bool) -> tuple[str, ...]:
    """Return the metrics that are measured where none is named: those that need neither pairs nor more packages."""
    return ("kid", "fid", "precision-recall", "variety", *(("style-ratio", "kept") if source else ()))


@dataclass
class Evaluation:
    """What is measured: the real pictures, the translations (`fake`), their sources if they are known, and how."""

    real: FileSet
    fake: FileSet
    source: FileSet | None
    metrics: Sequence[str]
    tools: Toolbox
    seed: int = 0
    resamples: int = RESAMPLES
    ended: OnPicture = ignore
    results: Results = field(default_factory=lambda: Results({}))
    _pair_measures: dict[str, tuple[PairMeasure, FileSet, Pairs]] | None = field(default=None, init=False)

    def steps(self) -> int:
        """Return how often `ended` is called; what is missing on this machine is found out here."""
        of_sets = sum(len(one.files) for one in self._sets_with_features())
        return of_sets + sum(len(pairs.matched) for _, _, pairs in self._opened().values())

    def run(self) -> Results:
        """Measure everything. A metric that cannot be measured is among the results, with the reason."""
        vectors = self._vectors()
        for name in self.metrics:
            if name in SET_METRICS:
                self._measure_set(name, SET_METRICS[name], vectors)
        for name, (measure, partners, pairs) in self._opened().items():
            self._measure_pairs(name, measure, partners, pairs)
        sets = [one for one in (self.real, self.fake, self.source) if one is not None]
        self.results.sets = {one.name: len(one.files) - len(one.unreadable) for one in sets}
        self.results.unreadable = {one.name: dict(one.unreadable) for one in sets if one.unreadable}
        return self.results

    def _opened(self) -> Mapping[str, tuple[PairMeasure, FileSet, Pairs]]:
        """Return the measures of pairs that can be had, each with the partners and their pairs, made once."""
        if self._pair_measures is None:
            self._pair_measures = {}
            for name in self.metrics:
                if name in PAIR_METRICS:
                    self._open(name, self._pair_measures)
        return self._pair_measures

    def _open(self, name: str, opened: dict[str, tuple[PairMeasure, FileSet, Pairs]]) -> None:
        partners = self.real if PAIR_METRICS[name] == "real" else self.source
        if partners is None:
            return self._skip(name, _NO_SOURCE)
        pairs = Pairs.of(self.fake, partners)
        if not pairs.matched:
            return self._skip(name, f"no picture of {self.fake.name} has a partner of its name in {partners.name}")
        try:
            opened[name] = (self.tools.measures[name](), partners, pairs)
        except HenshinError as error:
            return self._skip(name, error)
        return None

    def _skip(self, metric: str, error: Exception | str) -> None:
        self.results.unmeasured[metric] = str(error)
        self.results.missing |= isinstance(error, MissingError)

    # -- Features

    def _networks(self) -> list[str]:
        wanted = [SET_METRICS[name].networks(self.tools) for name in self.metrics if name in SET_METRICS]
        return list(dict.fromkeys(key for keys in wanted for key in keys))

    def _sets_with_features(self) -> list[FileSet]:
        metrics = [SET_METRICS[name] for name in self.metrics if name in SET_METRICS]
        if not metrics:
            return []
        with_source = self.source if any(one.needs_source for one in metrics) else None
        return [one for one in (self.real, self.fake, with_source) if one is not None]

    def _vectors(self) -> Mapping[str, Mapping[str, Vectors]]:
        """Return the features of each set by its role, of each network that can be had."""
        networks = []
        for key in self._networks():
            try:
                networks.append(self.tools.network(key))
            except HenshinError as error:
                for name in self.metrics:
                    if name in SET_METRICS and key in SET_METRICS[name].networks(self.tools):
                        self._skip(name if len(SET_METRICS[name].networks(self.tools)) == 1 else f"{name}-{key}", error)
        found: dict[str, dict[str, Vectors]] = {}
        for one in self._sets_with_features():
            names: list[str] = []
            wanted = [network for network in networks if one is not self.source or network.key in RULER]
            parts: dict[str, list[Array]] = {network.key: [] for network in wanted}
            for chunk in _chunks(self._told(one)):
                names += [name for name, _ in chunk]
                for network in wanted:
                    parts[network.key].append(self.tools.features(network, [picture for _, picture in chunk]))
            found[self._role(one)] = {
                key: Vectors(names, np.concatenate(rows) if rows else np.empty((0, 1))) for key, rows in parts.items()
            }
        return found

    def _role(self, one: FileSet) -> str:
        return "real" if one is self.real else "fake" if one is self.fake else "source"

    def _told(self, one: FileSet) -> Iterator[tuple[str, Picture]]:
        """Yield the pictures of a set, and tell of each when the next one is wanted."""
        for name in one.files:
            try:
                yield name, one.read(name)
            except PictureError as error:
                self.ended(f"{one.name}: {name}", error.reason)
            else:
                self.ended(f"{one.name}: {name}", None)

    def _measure_set(self, name: str, metric: SetMetric, vectors: Mapping[str, Mapping[str, Vectors]]) -> None:
        if metric.needs_source and self.source is None:
            return self._skip(name, _NO_SOURCE)
        pairs = Pairs([], {})
        if metric.needs_source and self.source is not None:
            pairs = Pairs.of(self.fake, self.source)
            self._note_unpaired(pairs, self.source)
        for key in metric.networks(self.tools):
            if key not in vectors["fake"]:
                continue  # its weights are missing, which is said
            network = self.tools.network(key)
            try:
                self.results.figures += metric.measure(
                    network,
                    {role: of[key] for role, of in vectors.items() if key in of},
                    pairs,
                    self.seed,
                    self.resamples,
                )
            except TooFewError as error:
                self._skip(f"{name}-{key}" if len(metric.networks(self.tools)) > 1 else name, error)
        return None

    # -- Pairs

    def _note_unpaired(self, pairs: Pairs, partners: FileSet) -> None:
        if pairs.alone:
            self.results.unpaired[f"{self.fake.name} in {partners.name}"] = dict(pairs.alone)
        used = {other for _, other in pairs.matched}
        unused = {name: f"no picture of its name in {self.fake.name}" for name in partners.files if name not in used}
        if unused:
            self.results.unpaired[f"{partners.name} in {self.fake.name}"] = unused

    def _measure_pairs(self, name: str, measure: PairMeasure, partners: FileSet, pairs: Pairs) -> None:
        self._note_unpaired(pairs, partners)
        found = _PairFigures(measure)
        for one, other in pairs.matched:
            reason = found.add(self.fake, one, partners, other)
            self.ended(f"{name}: {one}", reason)
        if not found.values:
            reason = next(iter(found.failed.values()))
            return self._skip(name, f"none of {len(pairs.matched)} pairs can be measured; the first: {reason}")
        if found.failed:
            self.results.unpaired[f"{name} of {self.fake.name}"] = found.failed
        self.results.figures.append(found.figure(self.seed, self.resamples))
        return None


@dataclass
class _PairFigures:
    """The values of a measure of pairs, and the pairs that have none."""

    by: PairMeasure
    values: list[float] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    resized: int = 0

    def add(self, fakes: FileSet, name: str, partners: FileSet, other: str) -> str | None:
        """Measure a pair; return the reason why it could not be, or None."""
        try:
            picture, partner = fakes.read(name), partners.read(other)
            if self.by.same_size:
                self.resized += picture.shape != partner.shape
                picture = to_size_of(picture, partner)
            self.values.append(self.by.measure(picture, partner))
        except PictureError as error:
            self.failed[name] = error.reason
            return error.reason
        return None

    def figure(self, seed: int, resamples: int) -> Figure:
        """Return the mean with its interval."""
        values = np.array(self.values)
        equal = int(np.isinf(values).sum())
        notes = [f"{self.resized} of {len(values)} pairs: resized to the partner's size"] if self.resized else []
        notes += [f"{equal} of {len(values)} pairs are equal, which is infinite"] if equal else []
        estimate = mean_estimate(values, seed, 0 if equal or len(values) < 2 else resamples)
        return Figure.of(self.by.key, self.by.title, estimate, self.by.better, {"pairs": len(values)}, notes=notes)


def _chunks(pictures: Iterator[tuple[str, Picture]]) -> Iterator[list[tuple[str, Picture]]]:
    while chunk := list(islice(pictures, AT_ONCE)):
        yield chunk

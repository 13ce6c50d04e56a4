"""Metrics of sets of pictures: KID, FID, precision and recall, variety, style-ratio, and measures of pairs.

It needs no torch: feature networks come from outside, in a ``Toolbox`` (``henshin.train.metrics`` has them).

- ``FileSet``: a set of picture files; ``Pairs.of(first, second)``: the pairs of two sets, by their names.
- ``Evaluation(real, fake, source, metrics, tools).run() -> Results``: every ``Figure`` with its bootstrap interval.
- ``METRICS``: the names of all metrics; ``usual_metrics``: those that are measured where none is named.
"""

from __future__ import annotations

from henshin.metrics.feature_cache import Cache
from henshin.metrics.figures import Figure, Results
from henshin.metrics.measure import METRICS, Evaluation, usual_metrics
from henshin.metrics.picture_sets import FileSet, Pairs
from henshin.metrics.toolbox import FeatureNetwork, PairMeasure, Toolbox, scale_of

__all__ = [
    "METRICS",
    "Cache",
    "Evaluation",
    "FeatureNetwork",
    "Figure",
    "FileSet",
    "PairMeasure",
    "Pairs",
    "Results",
    "Toolbox",
    "scale_of",
    "usual_metrics",
]

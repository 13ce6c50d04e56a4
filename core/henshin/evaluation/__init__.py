"""How near pictures come to the truth: test sets, what draws them, figures, and a sheet to look at.

- ``reduced_set``, ``paired_set``, ``plain_set``: a folder as a ``PictureSet``, whose ``cases(scale)`` are worked on.
- ``Resampler``, ``Untouched``, ``ByModel``, ``ByPipeline``: what turns a given picture into one like its truth.
- ``evaluate(sets, scales, methods, ruler, report, sheet) -> Results``: the figures, and what failed.
- ``Sheet``: the pictures side by side.
- ``samplers_among``, ``length_and_side``, ``draw_samplers``: a sheet of what several models draw of the same noise.
"""

from __future__ import annotations

from henshin.evaluation.comparison_sheet import INPUT, Sheet
from henshin.evaluation.datasets import EvaluationSample, PictureSet, paired_set, plain_set, reduced_set
from henshin.evaluation.evaluate import Fault, Figure, MetricSettings, Results, Row, evaluate
from henshin.evaluation.methods import ByModel, ByPipeline, Method, Networks, Resampler, Untouched, baselines
from henshin.evaluation.samplers import draw_samplers, length_and_side, samplers_among

__all__ = [
    "INPUT",
    "ByModel",
    "ByPipeline",
    "EvaluationSample",
    "Fault",
    "Figure",
    "Method",
    "MetricSettings",
    "Networks",
    "PictureSet",
    "Resampler",
    "Results",
    "Row",
    "Sheet",
    "Untouched",
    "baselines",
    "draw_samplers",
    "evaluate",
    "length_and_side",
    "paired_set",
    "plain_set",
    "reduced_set",
    "samplers_among",
]

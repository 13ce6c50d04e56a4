"""Evaluation of models and pipelines: test sets, methods, PSNR and SSIM, comparison sheets.

- ``reduced_set``, ``paired_set``, ``plain_set``: a folder as a ``PictureSet``, with its ``samples(scale)``.
- ``Resampler``, ``Identity``, ``ByModel``, ``ByPipeline``: methods, which turn an input into a result.
- ``evaluate(sets, methods_at, settings, ended, sheet) -> Results``: the scores of all methods, and the failures.
- ``Sheet``: a comparison sheet, with inputs and results side by side.
- ``samplers_among``, ``length_and_side``, ``draw_samplers``: a sheet of pictures sampled from the same noise.
"""

from __future__ import annotations

from henshin.evaluation.comparison_sheet import INPUT, Sheet
from henshin.evaluation.datasets import EvaluationSample, PictureSet, paired_set, plain_set, reduced_set
from henshin.evaluation.evaluate import EvaluationFailure, MetricSettings, Results, Row, Score, evaluate
from henshin.evaluation.methods import ByModel, ByPipeline, Identity, Method, Networks, Resampler, baselines
from henshin.evaluation.samplers import draw_samplers, length_and_side, samplers_among

__all__ = [
    "INPUT",
    "ByModel",
    "ByPipeline",
    "EvaluationFailure",
    "EvaluationSample",
    "Identity",
    "Method",
    "MetricSettings",
    "Networks",
    "PictureSet",
    "Resampler",
    "Results",
    "Row",
    "Score",
    "Sheet",
    "baselines",
    "draw_samplers",
    "evaluate",
    "length_and_side",
    "paired_set",
    "plain_set",
    "reduced_set",
    "samplers_among",
]

"""Evaluation of models and pipelines: test sets, methods, PSNR and SSIM, comparison sheets.

- ``reduced_set``, ``paired_set``, ``plain_set``: a folder as a ``PictureSet``, with its ``samples(scale)``.
- ``Resampler``, ``Identity``, ``ByModel``, ``ByPipeline``: methods, which turn an input into a result.
- ``evaluate(sets, methods_at, settings, ended, sheet) -> Results``: the scores of all methods, and the failures.
- ``Sheet``: a comparison sheet, with inputs and results side by side.
- ``mean_of``, ``halves``, ``ruled``: mean pictures of sets, with lines to compare them by.
- ``samplers_among``, ``length_and_side``, ``draw_samplers``: a sheet of pictures sampled from the same noise.
"""

from __future__ import annotations

from henshin.evaluation.comparison_sheet import INPUT, Sheet
from henshin.evaluation.datasets import EvaluationSample, PictureSet, paired_set, plain_set, reduced_set
from henshin.evaluation.evaluate import EvaluationFailure, MetricSettings, Results, Row, Score, evaluate
from henshin.evaluation.mean_pictures import MeanPicture, default_name, halves, mean_of, ruled
from henshin.evaluation.methods import ByModel, ByPipeline, Identity, Method, Networks, Resampler, baselines
from henshin.evaluation.samplers import draw_samplers, length_and_side, samplers_among

__all__ = [
    "INPUT",
    "ByModel",
    "ByPipeline",
    "EvaluationFailure",
    "EvaluationSample",
    "Identity",
    "MeanPicture",
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
    "default_name",
    "draw_samplers",
    "evaluate",
    "halves",
    "length_and_side",
    "mean_of",
    "paired_set",
    "plain_set",
    "reduced_set",
    "ruled",
    "samplers_among",
]

"""How likely a photo of a face is drawn well: measures of the photo, their weights, and the reasons in words.

The weights come from what selfie2anime draws (`bench/assess.py`): a drawing is good if it has eyes where a face has
them, even skin (`fit.py`), and a head that a detector of drawn faces finds. Of 1,043 photos they were fitted to one
half; in the other half 34 % of the fifth with the lowest scores were good, and 84 % of that with the highest. Smiles
and open mouths, by the width and the contrast of the mouth, made no difference, and are no tests. It is blind to
glasses without visible rims, to hands that look like skin, and to whatever is not in selfies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from henshin_plugins.face.drawn.skin import to_lab, to_linear
from henshin_plugins.face.geometry import FACE_AREA, apply, ellipse, invert, landmarks_of, similarity, template
from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from henshin import Face, Picture
    from henshin_plugins.face.geometry import Array

SIDE = 96
"""Side in pixels of the aligned crop in which light, colour and sharpness are measured."""

EYES, NOSE, MOUTH = slice(0, 2), 2, slice(3, 5)
"""Landmarks of the template."""


@dataclass(frozen=True, slots=True)
class Test:
    """One way in which a photo may be difficult.

    Its penalty rises from 0, where the ``measure`` is ``fine``, to 1, where it is ``bad``. ``weight`` is what a penalty
    of 1 takes from the log-odds of a good drawing.
    """

    measure: str
    fine: float
    bad: float
    weight: float
    words: str

    def penalty(self, value: float) -> float:
        """Return the penalty, 0 to 1, of a measured value."""
        return float(np.clip((value - self.fine) / (self.bad - self.fine), 0, 1))


TESTS = (
    Test("turned", 0.06, 0.27, 1.80, "the head is turned"),
    Test("side", 8, 35, 1.57, "light from one side"),
    Test("dark", 62, 35, 1.19, "dark"),
    Test("dark", 92, 100, 1.59, "overexposed"),
    Test("beard", 12, 40, 0.69, "a beard, or a shadow on the chin"),
    Test("beard", 0, -30, 1.48, "a shadow on the upper face"),
    Test("spread", 70, 95, 0.41, "hard contrasts in the face"),
    Test("outside", 0.3, 0.6, 0.75, "close to the border"),
    Test("apart", 12, 3, 0.79, "face and surroundings of one colour"),
    Test("rims", 0.06, 0.15, 0.66, "glasses, or lines below the eyes"),
    Test("sharp", 0.07, 0.03, 0.14, "blurred"),
    Test("size", 40, 24, 0.70, "small"),
)
"""The tests of a face, with the weights of the last calibration."""

EVEN = 1.83
"""Log-odds of a good drawing of a face without any penalty."""

_TOLD = 0.5
"""Penalty from which a test is among the reasons."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The share, 0 to 1, of photos like this one that are drawn well, and what speaks against it, the worst first."""

    score: float
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"score {self.score:.2f}" + (f": {', '.join(self.reasons)}" if self.reasons else "")


def assess(picture: Picture, face: Face) -> Assessment:
    """Assess a face of a photo (H, W, 3) uint8. Errors: PictureError when the detector gave no landmarks."""
    return judged(measures(picture, face))


def judged(values: Mapping[str, float]) -> Assessment:
    """Return the assessment for measured values; a face without any, whose landmarks coincide, has a score of 0."""
    if not values:
        return Assessment(0.0, ("no proper landmarks",))
    penalties = [(test, test.penalty(values[test.measure])) for test in TESTS]
    odds = EVEN - sum(test.weight * penalty for test, penalty in penalties)
    told = sorted((one for one in penalties if one[1] >= _TOLD), key=lambda one: -one[0].weight * one[1])
    return Assessment(1 / (1 + math.exp(-odds)), tuple(test.words for test, _ in told))


def measures(picture: Picture, face: Face) -> dict[str, float]:
    """Return the measures of a face in its photo (H, W, 3) uint8, by name; see ``TESTS``.

    Errors: PictureError when the detector gave no landmarks.
    """
    marks = landmarks_of(face)
    unit = similarity(marks, template(1.0))
    scale = float(np.sqrt(abs(np.linalg.det(unit[:, :2]))))
    if not scale > 0:
        return {}
    crop = warp(picture, unit * SIDE, SIDE, SIDE)
    return {
        "turned": _turned(apply(unit, marks)),
        "size": float(np.linalg.norm(marks[1] - marks[0])),
        "outside": _outside(invert(unit), picture),
        **_light(crop),
        **_detail(crop),
    }


def _turned(marks: Array) -> float:
    """Return how far the head is turned: the nose's distance from the middle line of the face, in eye distances."""
    eyes, mouth = marks[EYES].mean(axis=0), marks[MOUTH].mean(axis=0)
    between = float(np.linalg.norm(marks[1] - marks[0])) or 1e-6
    axis = (marks[1] - marks[0]) / between
    return abs(float((marks[NOSE] - (eyes + mouth) / 2) @ axis)) / between


def _outside(to_photo: Array, picture: Picture) -> float:
    """Return the share of the crop that lies beyond the photo."""
    steps = (np.arange(24) + 0.5) / 24
    points = apply(to_photo, np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2))
    inside = (points >= 0) & (points < (picture.shape[1], picture.shape[0]))
    return 1 - float(inside.all(axis=1).mean())


def _light(crop: Picture) -> dict[str, float]:
    """Return darkness, uneven light, and the likeness of face and surroundings, in CIE Lab."""
    lab = to_lab(to_linear(crop.astype(np.float64)))
    face = lab[ellipse(*FACE_AREA, SIDE)][:, 0]
    upper, lower = ellipse((0.5, 0.56), (0.2, 0.07), SIDE), ellipse((0.5, 0.80), (0.13, 0.05), SIDE)
    left, right = ellipse((0.36, 0.58), (0.08, 0.1), SIDE), ellipse((0.64, 0.58), (0.08, 0.1), SIDE)
    around = ~ellipse(FACE_AREA[0], (0.34, 0.36), SIDE) & ellipse((0.5, 0.5), (0.5, 0.5), SIDE)
    skin, rest = np.median(lab[upper], axis=0), np.median(lab[around], axis=0)
    return {
        "dark": float(skin[0]),
        "side": abs(float(np.median(lab[left][:, 0]) - np.median(lab[right][:, 0]))),
        "beard": float(skin[0] - np.median(lab[lower][:, 0])),
        "apart": float(np.linalg.norm(skin - rest)),
        "spread": float(np.percentile(face, 95) - np.percentile(face, 5)),
    }


def _detail(crop: Picture) -> dict[str, float]:
    """Return sharpness, and the strength of lines below the eyes, both as shares of the face's brightness."""
    luma = np.asarray(Image.fromarray(crop).convert("L"), np.float64)
    inner = ellipse(*FACE_AREA, SIDE)
    laplace = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    light = max(float(np.median(luma[inner])), 1.0)
    down = np.abs(np.diff(luma, axis=0, prepend=luma[:1]))
    below = ellipse((0.375, 0.50), (0.1, 0.03), SIDE) | ellipse((0.625, 0.50), (0.1, 0.03), SIDE)
    return {
        "sharp": float(np.abs(laplace[inner[1:-1, 1:-1]]).mean()) / light,
        "rims": float(down[below].mean()) / light,
    }

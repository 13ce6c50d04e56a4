"""Registration of a drawn face on the mean drawn face: shift and scale that maximise a correlation.

The correlation is that of blurred luminance within a window around the face. It ignores brightness and contrast, so
dark and pale drawings register alike. Blur decreases in three levels, from coarse to fine.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from henshin_plugins.face.align import cut_out, face_points, placement_at
from henshin_plugins.face.geometry import composed

if TYPE_CHECKING:
    from henshin import Face, Picture
    from henshin_plugins.face.drawn.config import MatchProportionsConfig
    from henshin_plugins.face.geometry import Array

SIDE = 64
"""Side in pixels of the mean face, and of a crop when it is registered."""

WINDOW = (0.20, 0.30, 0.80, 0.80)
"""Left, top, right and bottom of the window that is compared, in the unit square of the mean face: no hair, no neck."""

CENTRE = (0.5, 0.55)
"""Fixed point of the scales in the unit square: the middle of the face."""

MEAN_EYES = (0.5015, 0.415)
"""Middle of the eye line of the mean face, in its unit square."""

CROP_EYES = (0.5, 0.425)
"""Place of that point in the unit square of a crop. Photos have their irises at 0.414; drawn eyes are taller, and their
middle lies a little lower."""

OFFSET = (-0.0024, 0.0036, -0.0260, -0.0550)
"""Mean of the parameters that registration finds for the drawings of the mean face itself, with `PRIOR` and `BLURS` as
they are: sharp faces match a blurred mean best when they are a little larger. Taken off, so that a stretch of 1 keeps
the size of the average drawing."""

BLURS = (3.0, 2.0, 1.0)
"""Standard deviations of the blur of each level, in pixels."""

STEPS = 12
"""Most Gauss-Newton steps of a level."""

SPREAD = (0.06, 0.06, 0.12, 0.12)
"""Expected spread of shift (x, y), as a share of the side, and of the logarithms of the scales (x, y)."""

RATIO_SPREAD = 0.1
"""Expected spread of the difference of the two logarithms: faces are seldom squeezed."""

PRIOR = 0.01
"""Loss of correlation that a deviation by one spread has to outweigh."""


class MeanFace(NamedTuple):
    """The mean drawn face at each blur: unit vectors of the window's pixels, mean 0."""

    levels: tuple[Array, ...]

    @classmethod
    def read(cls) -> MeanFace:
        """Read the packaged mean face."""
        with files(__package__).joinpath("mean_drawn_face.png").open("rb") as file:
            picture = Image.open(file).convert("L")
        identity = np.zeros(4)
        return cls(tuple(_unit(_sample(_blurred(picture, blur), identity)) for blur in BLURS))


@dataclass
class _State:
    """Parameters (shift x, y; log scale x, y), the window sampled there, and the energy to minimise."""

    parameters: Array
    window: Array
    energy: float


class Misfit(NamedTuple):
    """A face that is dropped: the kind of its fault, and the reason with its figure."""

    kind: str
    reason: str


def matched(picture: Picture, face: Face, mean: MeanFace, config: MatchProportionsConfig) -> Face | Misfit:
    """Register a face's crop, and return the face cut out anew, or the reason why it is dropped."""
    if face.crop is None or face.matrix is None:
        raise ValueError("match_proportions needs a crop")
    parameters, match = register(face.crop, mean)
    if match < config.minimum_match:
        wanted = f"at least {config.minimum_match:g} wanted"
        return Misfit("unlike", f"its match with the mean drawn face is {match:.2f}, {wanted}")
    unit = composed(_to_human(parameters, config.stretch), face.matrix.astype(np.float64) / len(face.crop))
    # a stretched face covers fewer pixels, so that its crop may be smaller: nothing is enlarged
    placement = placement_at(picture, unit, len(face.crop), face_points(1.0, by_box=False))
    if placement is None:
        return Misfit("unlike", "its registration leaves nothing of it")
    most = config.maximum_outside
    if most is not None and placement.outside > most:
        reason = f"{100 * placement.outside:.1f} % of the crop lie outside, at most {100 * most:g} % wanted"
        return Misfit("beyond the border", reason)
    return cut_out(picture, face, placement)


def register(crop: Picture, mean: MeanFace) -> tuple[Array, float]:
    """Return the parameters (4,) that map the mean face's unit square to the crop's, and the correlation there.

    `crop` is (S, S, 3). A point u of the mean face lies at CENTRE + exp(scale) (u - CENTRE) + shift in the crop.
    """
    grey = Image.fromarray(crop.mean(axis=2).round().astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    parameters = np.zeros(4)
    for blur, target in zip(BLURS, mean.levels, strict=True):
        parameters = _fitted(_blurred(grey, blur), target, parameters)
    match = float((_unit(_sample(_blurred(grey, BLURS[-1]), parameters)) * mean.levels[-1]).sum())
    return parameters, match


def _fitted(grey: Array, target: Array, parameters: Array) -> Array:
    """Minimise 1 - correlation + prior by damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963)."""
    slopes = np.gradient(grey, axis=1) * SIDE, np.gradient(grey, axis=0) * SIDE
    state, damping = _evaluated(grey, target, parameters), 1e-3
    for _ in range(STEPS):
        gradient, curvature = _derivatives(slopes, target, state)
        step = -np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
        tried = _evaluated(grey, target, state.parameters + step)
        if tried.energy < state.energy:
            state, damping = tried, damping / 4
            if np.abs(step).max() < 1e-4:
                break
        else:
            damping = min(damping * 10, 1e6)
    return state.parameters


def _evaluated(grey: Array, target: Array, parameters: Array) -> _State:
    window = _sample(grey, parameters)
    correlation = float((_unit(window) * target).sum())
    return _State(parameters, window, 1 - correlation + float(parameters @ _prior() @ parameters) / 2)


def _derivatives(slopes: tuple[Array, Array], target: Array, state: _State) -> tuple[Array, Array]:
    """Return gradient (4,) and Gauss-Newton curvature (4, 4) of the energy."""
    parameters = state.parameters
    across, down = _points(parameters)
    in_x, in_y = (_sample(slope, parameters) for slope in slopes)
    lever_x, lever_y = across - CENTRE[0] - parameters[0], (down - CENTRE[1] - parameters[1])[:, None]
    moved = np.stack([in_x, in_y, in_x * lever_x, in_y * lever_y], axis=-1).reshape(-1, 4)
    moved = moved - moved.mean(axis=0)
    centred = (state.window - state.window.mean()).ravel()
    length = max(float(np.linalg.norm(centred)), 1e-6)
    unit = centred / length
    jacobian = (moved - np.outer(unit, unit @ moved)) / length
    prior = _prior()
    gradient: Array = jacobian.T @ (unit - target.ravel()) + prior @ parameters
    curvature: Array = jacobian.T @ jacobian + prior
    return gradient, curvature


def _prior() -> Array:
    """Return the curvature (4, 4) of the prior: the spreads, and that of the difference of the scales."""
    matrix = np.diag(2 * PRIOR / np.square(SPREAD))
    matrix[2:, 2:] += 2 * PRIOR / RATIO_SPREAD**2 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return matrix


def _points(parameters: Array) -> tuple[Array, Array]:
    """Return where the window's columns and rows lie in the crop's unit square."""
    steps = (np.arange(SIDE) + 0.5) / SIDE
    left, top, right, bottom = (int(share * SIDE) for share in WINDOW)
    across = CENTRE[0] + np.exp(parameters[2]) * (steps[left:right] - CENTRE[0]) + parameters[0]
    down = CENTRE[1] + np.exp(parameters[3]) * (steps[top:bottom] - CENTRE[1]) + parameters[1]
    return across, down


def _sample(values: Array, parameters: Array) -> Array:
    """Return `values` (SIDE, SIDE) at the window's points, bilinear; beyond the border its outermost values."""
    across, down = _points(parameters)
    return _weights(down) @ values @ _weights(across).T


def _weights(points: Array) -> Array:
    """Return (P, SIDE) weights of linear interpolation at `points` of the unit interval."""
    place = np.clip(points * SIDE - 0.5, 0, SIDE - 1)
    low = np.minimum(place.astype(np.int64), SIDE - 2)
    weights = np.zeros((len(points), SIDE))
    rows = np.arange(len(points))
    weights[rows, low] = 1 - (place - low)
    weights[rows, low + 1] = place - low
    return weights


def _blurred(grey: Image.Image, blur: float) -> Array:
    return np.asarray(grey.filter(ImageFilter.GaussianBlur(blur)), np.float64)


def _unit(window: Array) -> Array:
    centred = window - window.mean()
    unit: Array = centred / max(float(np.linalg.norm(centred)), 1e-6)
    return unit


def _to_human(parameters: Array, stretch: tuple[float, float]) -> Array:
    """Return the (2, 3) map from the crop's unit square to that of the new crop."""
    parameters = parameters - OFFSET
    scales, shift = np.exp(parameters[2:]), parameters[:2]
    factors = np.array(stretch)
    centre, eyes, target = np.array(CENTRE), np.array(MEAN_EYES), np.array(CROP_EYES)
    # crop -> mean face: u = centre + (v - centre - shift) / scale; mean face -> new crop: target + factor (u - eyes)
    linear = factors / scales
    offset = target + factors * (centre - (centre + shift) / scales - eyes)
    return np.column_stack([np.diag(linear), offset])

"""The skin of a drawn face: its mask, and other tones for it.

Skin in drawings is nearly flat: pixels of its colour, lit or shaded, that are connected with the cheeks. Tones are
drawn from those of photographed people, and multiply the skin's linear light, so that shading and blush stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.face.geometry import Array

CHEEKS = (0.38, 0.54, 0.62, 0.66)
"""Left, top, right and bottom of a window that is nearly all skin, between eyes and mouth, in the unit square of a crop
of `match_proportions`."""

FACE = (0.5, 0.52, 0.40, 0.46)
"""Middle (x, y) and half sides of the ellipse in which skin of the face is looked for."""

NECK = (0.5, 0.93, 0.34, 0.16)
"""Middle (x, y) and half sides of the rectangle in which skin of the neck is looked for."""

SEED = (0.5, 0.62, 0.18, 0.14)
"""Ellipse from which skin spreads to its connected pixels."""

DARKER, LIGHTER, REDDER, GREENER, YELLOWER = 30.0, 18.0, 24.0, 11.0, 14.0
"""Differences from the cheeks' colour at which a pixel is half skin, in units of CIE L*, L*, a*, a* and b*."""

PLAIN = 14.0
"""Sum of the differences in Lab within which a pixel of the cheeks counts as plain skin."""

LEAST_PLAIN = 0.6
"""Least share of plain pixels in the cheeks' window; below it (hands, hair, a turned head) no skin is recognised."""

LEAST_LIGHTNESS = 50.0
"""Least L* of the cheeks: what is darker is no skin, or no picture to be told apart from its lines."""

LIGHTNESS = (63.0, 12.5, 30.0, 84.0)
"""Mean, standard deviation, least and greatest L* of the tones.

This and the next two were measured on the cheeks of 1,154 well-lit selfies and portraits.
"""

RED = (14.1, 5.1, 4.0, 24.0)
"""The same of a*."""

YELLOW = (19.5, 6.0, 8.0, 34.0)
"""The same of b*."""

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])
_CUBE = 0.008856


class Skin(NamedTuple):
    """The skin of a crop: its mask (S, S) in [0, 1], and its colour (3,) as linear light in [0, 1]."""

    mask: Array
    colour: Array


def find_skin(crop: Picture) -> Skin | None:
    """Return the skin of a drawn face (S, S, 3), or None where there is no plain skin on its cheeks."""
    light = to_linear(crop.astype(np.float64))
    lab = to_lab(light)
    rows, columns = _window(CHEEKS, len(crop))
    cheeks = lab[rows, columns].reshape(-1, 3)
    middle = np.median(cheeks, axis=0)
    plain = (np.abs(cheeks - middle).sum(axis=1) < PLAIN).mean()
    if plain < LEAST_PLAIN or middle[0] < LEAST_LIGHTNESS:
        return None
    alike = _likeness(lab - middle) * np.maximum(soft_ellipse(len(crop), FACE), _soft_rectangle(len(crop), NECK))
    connected = _spread(soft_ellipse(len(crop), SEED) > 0.5, alike > 0.4)
    edge = _filtered(connected.astype(np.float64), ImageFilter.MaxFilter(3))
    mask = _filtered(np.sqrt(alike) * edge, ImageFilter.GaussianBlur(0.5 * len(crop) / 192))
    return Skin(mask, np.median(light[rows, columns].reshape(-1, 3), axis=0))


def draw_tone(rng: np.random.Generator) -> Array:
    """Return a random skin tone (3,), as linear light in [0, 1]."""
    lightness, red, yellow = (
        float(np.clip(rng.normal(mean, spread), low, high)) for mean, spread, low, high in (LIGHTNESS, RED, YELLOW)
    )
    return from_lab(np.array([lightness, red, max(yellow, 0.6 * red)]))


def toned(crop: Picture, skin: Skin, tone: Array) -> Picture:
    """Return the crop with its skin in another tone."""
    light = to_linear(crop.astype(np.float64))
    other = np.minimum(light * (tone / np.maximum(skin.colour, 0.02)), 1)
    mixed = light + (other - light) * skin.mask[..., None]
    return np.rint(from_linear(mixed)).astype(np.uint8)


def soft_ellipse(side: int, ellipse: tuple[float, float, float, float], softness: float = 0.05) -> Array:
    """Return (side, side): 1 within an ellipse (middle x, y, half sides), 0 outside, 0.5 on its border."""
    across, down = _unit_grid(side)
    x, y, width, height = ellipse
    return sigmoid(1 - np.hypot((across - x) / width, (down - y) / height), softness)


def sigmoid(values: Array, width: float) -> Array:
    """Return the logistic function of values / width."""
    result: Array = 1 / (1 + np.exp(-np.clip(values / width, -60, 60)))
    return result


def _soft_rectangle(side: int, rectangle: tuple[float, float, float, float]) -> Array:
    across, down = _unit_grid(side)
    x, y, width, height = rectangle
    return sigmoid(1 - np.maximum(np.abs(across - x) / width, np.abs(down - y) / height), 0.06)


def _unit_grid(side: int) -> tuple[Array, Array]:
    steps = (np.arange(side) + 0.5) / side
    return steps[None, :], steps[:, None]


def _window(box: tuple[float, float, float, float], side: int) -> tuple[slice, slice]:
    left, top, right, bottom = (int(share * side) for share in box)
    return slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))


def _likeness(difference: Array) -> Array:
    """Return (S, S) in [0, 1]: 1 where Lab differs from the cheeks' by nothing, 0.5 at the tolerances."""
    lightness, red, yellow = difference[..., 0], difference[..., 1], difference[..., 2]
    distance = np.sqrt(
        np.square(lightness / np.where(lightness < 0, DARKER, LIGHTER))
        + np.square(red / np.where(red > 0, REDDER, GREENER))
        + np.square(yellow / YELLOWER)
    )
    return sigmoid(1 - distance, 0.12)


def _spread(seed: npt.NDArray[np.bool_], allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the allowed pixels that are connected with allowed pixels of the seed, by their four sides."""
    found = seed & allowed
    for _ in range(len(allowed)):  # skin is no maze: half as many steps as the side has pixels reach all of it
        wide = np.pad(found, 1)
        grown = (found | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]) & allowed
        if (grown == found).all():
            break
        found = grown
    return found


def _filtered(mask: Array, by: ImageFilter.Filter) -> Array:
    levels = Image.fromarray(np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)).filter(by)
    return np.asarray(levels, np.float64) / 255


def to_linear(values: Array) -> Array:
    """Return the linear light in [0, 1] of sRGB values in [0, 255]."""
    values = values / 255
    result: Array = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return result


def from_linear(light: Array) -> Array:
    """Return the sRGB values in [0, 255] of linear light; what is beyond [0, 1] is clipped."""
    light = np.clip(light, 0, 1)
    result: Array = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    return result


def to_lab(light: Array) -> Array:
    """Return CIE L*a*b* (D65) of linear light (..., 3)."""
    ratio = light @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > _CUBE, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: Array) -> Array:
    """Return the linear light (3,), clipped to [0, 1], of a colour in CIE L*a*b* (D65)."""
    y = (lab[0] + 16) / 116
    root = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    ratio = np.where(root**3 > _CUBE, root**3, (root - 16 / 116) / 7.787)
    light: Array = np.clip(np.linalg.solve(_TO_XYZ, ratio * _WHITE), 0, 1)
    return light

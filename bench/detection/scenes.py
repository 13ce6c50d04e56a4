"""Photos with faces at known places, in groups: pasted with soft edges, in sizes and angles that are known.

The least face is what `face_detect` looks for by itself: 2.4 % of the photo's shorter side, 24 pixels at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from detection.sources import Source, pixels

LEAST, LEAST_SHARE = 24, 0.024
SOFT = 0.15
"""Width of the soft edge, as a share of the radius."""
RADII, RAISED = np.array([0.8, 1.0]), 0.08
"""Of the pasted ellipse, with hair and chin, in sides of the box; by how much of them it lies above the box."""
PORTRAITS = "portraits of 1024 px"
UPRIGHT = 30
"""Degrees to which a face keeps the shape of its box; beyond, it is a square of the same area."""
SPREAD = 2.5
"""By how much a photo is enlarged at most; larger scenes are mosaics of several."""
TRIES = 40


@dataclass(frozen=True)
class Group:
    """What the scenes of a group have in common. Sizes in least sides, or as shares of the photo's shorter side."""

    name: str
    faces: tuple[int, int] = (1, 4)
    least: tuple[float, float] | None = None
    share: tuple[float, float] = (0.15, 0.5)
    angles: tuple[float, float] = (0, 12)
    cut: tuple[float, float] | None = None
    longest: tuple[int, int] = (300, 3000)
    poor: bool = False


GROUPS = (
    Group("least size x1.1-1.5", least=(1.1, 1.5)),
    Group("least size x1.5-3", least=(1.5, 3)),
    Group("least size x3-8", least=(3, 8)),
    Group("1/4-1/2 of the photo", (1, 1), share=(0.25, 0.5)),
    Group("close-up, 0.7-1.05", (1, 1), share=(0.7, 1.05), longest=(300, 1500)),
    Group("tilted 15-30", (1, 1), share=(0.2, 0.5), angles=(15, 30)),
    Group("tilted 30-60", (1, 1), share=(0.25, 0.6), angles=(30, 60)),
    Group("turned 60-120", (1, 1), share=(0.25, 0.6), angles=(60, 120)),
    Group("turned 120-180", (1, 1), share=(0.25, 0.6), angles=(120, 180)),
    Group("faint, blurred, noisy", share=(0.1, 0.4), poor=True),
    Group("crowd of 30", (30, 30), least=(1.2, 5), longest=(1000, 3000)),
    Group("cut by the border", (1, 2), share=(0.15, 0.5), cut=(0.25, 0.5)),
    Group("none", (0, 0)),
)


@dataclass
class Scene:
    """A picture with the boxes (N, 4) and landmarks (N, 5, 2) of its faces."""

    group: str
    picture: Any
    boxes: list[Any] = field(default_factory=list)
    landmarks: list[Any] = field(default_factory=list)


def make(group: Group, sources: Sequence[Source], photos: Sequence[Path], rng: np.random.Generator) -> Scene:
    """Return a scene of a group."""
    longest = round(math.exp(rng.uniform(*np.log(group.longest))))
    size = longest, round(longest / rng.uniform(1, 1.5))
    width, height = size if rng.random() < 0.6 else size[::-1]
    scene = Scene(group.name, background(photos, width, height, rng))
    for _ in range(rng.integers(group.faces[0], group.faces[1] + 1)):
        _add(scene, group, sources, rng)
    if group.poor:
        scene.picture = _poor(scene.picture, rng)
    return scene


def _poor(picture: Any, rng: np.random.Generator) -> Any:
    """Return the picture with less contrast, blurred and noisy."""
    low, high = rng.uniform(0, 100), rng.uniform(130, 255)
    blur = ImageFilter.GaussianBlur(float(rng.uniform(0, 0.004) * max(picture.shape)))
    blurred = np.asarray(Image.fromarray(picture).filter(blur), float)
    noisy = low + blurred * (high - low) / 255 + rng.normal(0, rng.uniform(0, 12), picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def portrait(source: Source, rng: np.random.Generator, side: int = 1024) -> Scene:
    """Return the source itself as a photo of `side` pixels: a part of it, at times mirrored, with its face."""
    picture = pixels(source.path)
    whole = min(picture.shape[:2])
    part = rng.uniform(max(0.8, min(0.98, 2 * source.side / whole)), 1.0) * whole
    centre = (source.box[:2] + source.box[2:]) / 2
    low = np.clip(centre - part * rng.uniform(0.4, 0.6, 2), 0, np.array(picture.shape[1::-1]) - part)
    box = (*low, *(low + part))
    image = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS, box=box)
    factor = side / part
    boxes, marks = (source.box - np.tile(low, 2)) * factor, (source.landmarks - low) * factor
    pixels_of_it = np.asarray(image)
    if rng.random() < 0.5:
        pixels_of_it = np.ascontiguousarray(pixels_of_it[:, ::-1])
        boxes = np.array([side - boxes[2], boxes[1], side - boxes[0], boxes[3]])
        marks = marks[[1, 0, 2, 4, 3]] * [-1, 1] + [side, 0]
    return Scene(PORTRAITS, pixels_of_it, [boxes], [marks])


def background(photos: Sequence[Path], width: int, height: int, rng: np.random.Generator) -> Any:
    """Return (height, width, 3) uint8 of one photo, or of several side by side if it would be enlarged too much."""
    first = pixels(photos[rng.integers(len(photos))])
    number = math.ceil(max(width, height) / (SPREAD * min(first.shape[:2])))
    canvas = np.zeros((height, width, 3), np.uint8)
    columns, rows = (np.linspace(0, side, number + 1).astype(int) for side in (width, height))
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            tile = pixels(photos[rng.integers(len(photos))]) if number > 1 else first
            canvas[top:bottom, left:right] = _covering(tile, right - left, bottom - top)
    return canvas


def _covering(picture: Any, width: int, height: int) -> Any:
    """Return the middle of a picture, resized to (height, width, 3)."""
    scale = min(picture.shape[1] / width, picture.shape[0] / height)
    low = (np.array(picture.shape[1::-1]) - np.array([width, height]) * scale) / 2
    box = (*low.clip(0), *(low + np.array([width, height]) * scale).clip(None, picture.shape[1::-1]))
    return np.asarray(Image.fromarray(picture).resize((int(width), int(height)), Image.Resampling.LANCZOS, box=box))


def _add(scene: Scene, group: Group, sources: Sequence[Source], rng: np.random.Generator) -> None:
    """Paste a face where there is none yet; nothing, if no such place is found."""
    height, width = scene.picture.shape[:2]
    for _ in range(TRIES):
        side = _side(group, min(height, width), rng)
        angle = float(rng.uniform(*group.angles)) * float(rng.choice([-1, 1]))
        centre = _centre(group, side, width, height, rng)
        if all(_apart(centre, side, box) for box in scene.boxes):
            large = [source for source in sources if source.side >= 0.6 * side]
            able = large or sorted(sources, key=lambda one: -one.side)[: max(1, len(sources) // 8)]
            source = able[rng.integers(len(able))]
            paste(scene, source, pixels(source.path), centre, side, angle)
            return


def _side(group: Group, shorter: int, rng: np.random.Generator) -> float:
    low, high = group.least or group.share
    unit = max(LEAST, LEAST_SHARE * shorter) if group.least else shorter
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) * unit


def _centre(group: Group, side: float, width: int, height: int, rng: np.random.Generator) -> Any:
    limit = np.array([width, height], float)
    inner = np.minimum(side * 0.65, limit / 2)
    centre = rng.uniform(inner, limit - inner)
    if group.cut:
        axis, end = rng.integers(2), rng.integers(2)
        beyond = (0.5 - rng.uniform(*group.cut)) * side
        centre[axis] = limit[axis] - beyond if end else beyond
    return centre


def _apart(centre: Any, side: float, box: Any) -> bool:
    other = (box[:2] + box[2:]) / 2
    return bool(np.abs(centre - other).max() > 1.1 * (side + float((box[2:] - box[:2]).max())) / 1.7)


def paste(
    scene: Scene, source: Source, pixels_of_it: Any, centre: Any, side: float, degrees: float, radii: Any = RADII
) -> None:
    """Paste the source's face, its box `side` pixels long, turned clockwise, with its middle at `centre`."""
    picture = Image.fromarray(pixels_of_it)
    middle, scale = (source.box[:2] + source.box[2:]) / 2, side / source.side
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    resized = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    turn = math.radians(degrees)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    reach = side * 1.3
    limit = np.array(scene.picture.shape[1::-1])
    low, high = (np.floor(centre - reach).clip(0, limit), np.ceil(centre + reach).clip(0, limit))
    width, height = (high - low).astype(int).tolist()
    if min(width, height) < 1:
        return
    back = rotation.T * (np.array(size) / [picture.width, picture.height] / scale)[:, None]
    shift = middle * np.array(size) / [picture.width, picture.height] - back @ (centre - low)
    data = (*back[0], shift[0], *back[1], shift[1])
    warped = resized.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    cover = _cover(low - centre, width, height, rotation, side * radii)
    cover *= _inside(back, shift, width, height, size)
    part = scene.picture = scene.picture.copy()
    x, y = low.astype(int).tolist()
    part = part[y : y + height, x : x + width]
    part[:] = np.rint(part + cover[..., None] * (np.asarray(warped, float) - part)).astype(np.uint8)
    half = scale * (source.box[2:] - source.box[:2]) / 2
    half = half if abs(degrees) <= UPRIGHT else np.full(2, math.sqrt(half.prod()))
    scene.boxes.append(np.concatenate([centre - half, centre + half]))
    scene.landmarks.append((source.landmarks - middle) * scale @ rotation.T + centre)


def _cover(start: Any, width: int, height: int, rotation: Any, radii: Any) -> Any:
    """Return the opacity (height, width) of the pasted ellipse, 0 to 1."""
    points = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1) + start
    radius = np.hypot(*np.moveaxis(points @ rotation / radii + [0, RAISED], -1, 0))
    return ((1 - radius) / SOFT).clip(0, 1)


def _inside(back: Any, shift: Any, width: int, height: int, size: tuple[int, int]) -> Any:
    """Return 1 where the source has pixels, 0 beyond its border, (height, width), with an edge of some pixels."""
    points = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1) @ back.T + shift
    edge = np.minimum(points, np.array(size) - points).min(axis=-1)
    return (edge / max(2.0, 0.04 * min(size))).clip(0, 1)

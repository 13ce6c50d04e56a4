"""Edge promotion once more, written plainly in numpy and slowly: what the stage must equal."""

from __future__ import annotations

import numpy as np


def gray(picture: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 with weights of 14 bits, rounded."""
    weighed: np.ndarray = picture.astype(np.int64) @ np.array([4899, 9617, 1868])
    return (weighed + (1 << 13)) >> 14


def sobel(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and vertical 3x3 Sobel gradients, the border repeated."""
    p = np.pad(luma, 1, "edge")
    rows = p[:-2] + 2 * p[1:-1] + p[2:]
    columns = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    return rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]


def canny(luma: np.ndarray, low: float, high: float) -> np.ndarray:
    """Canny's edges: thinned along the gradient's direction (in steps of 45 degrees), then traced from strong ones."""
    gx, gy = sobel(luma)
    size = np.pad(abs(gx) + abs(gy), 1)
    height, width = luma.shape
    ridge = np.zeros(luma.shape, bool)
    tangent = 13573 / (1 << 15)  # of 22.5 degrees, as OpenCV rounds it
    for y in range(height):
        for x in range(width):
            m, ax, ay = size[y + 1, x + 1], abs(gx[y, x]), abs(gy[y, x])
            around = size[y : y + 3, x : x + 3]
            if ay < ax * tangent:
                ridge[y, x] = m > around[1, 0] and m >= around[1, 2]
            elif ay > ax * (tangent + 2):
                ridge[y, x] = m > around[0, 1] and m >= around[2, 1]
            elif (gx[y, x] < 0) != (gy[y, x] < 0):
                ridge[y, x] = m > around[0, 2] and m > around[2, 0]
            else:
                ridge[y, x] = m > around[0, 0] and m > around[2, 2]
    size = size[1:-1, 1:-1]
    weak, edges = ridge & (size > low), ridge & (size > high)
    while True:
        grown = weak & widened(edges, 3)
        if (grown == edges).all():
            return edges
        edges = grown


def widened(mask: np.ndarray, side: int) -> np.ndarray:
    """Set every pixel that has a set one in the square of `side` around it."""
    before, after = side // 2, side - 1 - side // 2
    p = np.pad(mask, (before, after))
    result = np.zeros_like(mask)
    for y in range(side):
        for x in range(side):
            result |= p[y : y + mask.shape[0], x : x + mask.shape[1]]
    return result


def blurred(picture: np.ndarray, size: int, sigma: float) -> np.ndarray:
    """Gaussian blur with one two-dimensional kernel in double precision, the border repeated."""
    distance = np.arange(size) - size // 2
    kernel = np.exp(-(distance[:, None] ** 2 + distance[None] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    p = np.pad(picture.astype(np.float64), ((size // 2,) * 2, (size // 2,) * 2, (0, 0)), "edge")
    height, width = picture.shape[:2]
    total = np.zeros(picture.shape)
    for y in range(size):
        for x in range(size):
            total += kernel[y, x] * p[y : y + height, x : x + width]
    return total


def promoted(
    picture: np.ndarray, *, low: float, high: float, dilate: int, kernel: int, sigma: float, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Edge promotion by its definition, unrounded; and the zone in which it took place."""
    zone = widened(canny(gray(picture), low, high), dilate)
    moved = picture + step * (blurred(picture, kernel, sigma) - picture)
    return np.where(zone[..., None], moved.clip(0, 255), picture), zone

"""Pictures that show the same: a perceptual hash of thumbnails, a quick search among hashes, and how far two are apart.

The hash is the sign of the 8 x 8 lowest frequencies of a picture's brightness (the DCT hash of Zauner, "Implementation
and Benchmarking of Perceptual Image Hash Functions", 2010): another size, compression or brightness changes few of its
64 bits. Many hashes that are near are of pictures that only resemble each other (faces do), so colours are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

THUMB = 16
"""Side of the thumbnails that are hashed, pixels."""

MAX_DISTANCE = 11
"""Bits up to which the search is exact: of four bands of 16 bits one then differs in two at most."""

_BANDS, _BAND_BITS = 4, 16
_AT_ONCE = 1 << 21
_QUERIES = 4096
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FREQUENCIES = np.cos(np.pi * (np.arange(THUMB) + 0.5) * np.arange(8)[:, None] / THUMB).astype(np.float32)


def perceptual_hashes(thumbs: np.ndarray) -> np.ndarray:
    """The perceptual hash, uint64 (N,), of thumbnails (N, 16, 16, 3) uint8."""
    found = np.empty(len(thumbs), np.uint64)
    for i in range(0, len(thumbs), 4096):
        grey = thumbs[i : i + 4096].astype(np.float32) @ _LUMA
        waves = (_FREQUENCIES @ grey @ _FREQUENCIES.T).reshape(len(grey), 64)
        waves = np.rint(waves)  # an even picture has none, whatever the rounding of their sums
        waves[:, 0] = 0  # brightness alone tells nothing
        bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
        found[i : i + 4096] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def thumbnail_differences(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far thumbnails a[i] and b[i] (N, h, w, 3) are apart, up to their brightness.

    Returns the mean absolute difference in grey levels, float (N,), and the standard deviation of a[i], float (N,):
    pictures of fog are not all the same.
    """
    one, other = a.astype(np.float32), b.astype(np.float32)
    difference = one - other
    difference -= difference.mean(axis=(1, 2, 3), keepdims=True)
    return np.abs(difference).mean(axis=(1, 2, 3)), one.std(axis=(1, 2, 3))


class HashIndex:
    """Hashes, uint64 (N,), in an order in which those near another are found without comparing all.

    Two hashes that differ in at most k of 64 bits agree in one of four bands of 16 bits but for k // 4 (Norouzi et al.,
    "Fast Search in Hamming Space with Multi-Index Hashing", 2012): so each band is sorted once, and looked up as it is
    and with each of so many bits turned. N hashes take 56 N bytes: what is looked at together lies together.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        self._count = len(hashes)
        self._bands = [_sort_band(hashes, band) for band in range(_BANDS)]

    def search(self, queries: np.ndarray, bits: int) -> np.ndarray:
        """All (i, j), sorted, for which queries[i] and hashes[j] differ in at most `bits` <= 11; int64 (P, 2)."""
        turns = _bit_masks(bits // _BANDS)
        found = [np.zeros(0, np.int64)]
        for begin in range(0, len(queries), _QUERIES):
            part = queries[begin : begin + _QUERIES]
            for band, (order, begins, ordered) in enumerate(self._bands):
                wanted = (_band(part, band)[:, None] ^ turns).ravel().astype(np.intp)
                for lookup, place in _expand_ranges(begins[wanted], begins[wanted + 1]):
                    i = lookup // len(turns)
                    near = np.bitwise_count(part[i] ^ ordered[place]) <= bits
                    # as one number, for rows are slow to sort
                    found.append((begin + i[near]) * self._count + order[place[near]])
        return np.stack(np.divmod(np.unique(np.concatenate(found)), max(self._count, 1)), axis=1)


def _sort_band(hashes: np.ndarray, band: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A band's order, int32 (N,), where each of its 65536 values begins in it, (65537,), and the hashes in it."""
    values = _band(hashes, band)
    order = np.argsort(values, kind="stable").astype(np.int32)
    return order, np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << _BAND_BITS))]), hashes[order]


def _bit_masks(most: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Every uint16 with at most so many bits set."""
    chosen = (places for count in range(most + 1) for places in combinations(range(_BAND_BITS), count))
    return np.array([sum(1 << place for place in places) for places in chosen], np.uint16)


def _band(values: np.ndarray, band: int) -> np.ndarray:
    return (values >> np.uint64(band * _BAND_BITS)).astype(np.uint16)


def _expand_ranges(first: np.ndarray, last: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(i, place) for each place in first[i]..last[i] of each i, in blocks of bounded size."""
    counts = last - first
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
        part = counts[begin:end]
        i = np.repeat(np.arange(begin, end), part)
        within = np.arange(len(i)) - np.repeat(np.cumsum(part) - part, part)
        yield i, first[i] + within
        begin = end

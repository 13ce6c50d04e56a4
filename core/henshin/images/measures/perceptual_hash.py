"""Perceptual hashes of thumbnails, a search for near hashes, and the difference of two thumbnails.

The hash has 64 bits: each of the 8 x 8 lowest frequencies of a picture's brightness, above the median or not (the DCT
hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Another size, compression
or brightness changes few bits. Different pictures that are alike (faces) can have near hashes too, so a match must also
be checked with ``thumbnail_differences``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from henshin.images.grey import LUMA_WEIGHTS

THUMB = 16
"""Side of the thumbnails in pixels."""

_BANDS, _BAND_BITS = 4, 16
_AT_ONCE = 1 << 21
_QUERIES = 4096
_LUMA = LUMA_WEIGHTS.astype(np.float32)
_FREQUENCIES = np.cos(np.pi * (np.arange(THUMB) + 0.5) * np.arange(8)[:, None] / THUMB).astype(np.float32)


def perceptual_hashes(thumbs: np.ndarray) -> np.ndarray:
    """Return the perceptual hashes, uint64 (N,), of thumbnails (N, 16, 16, 3) uint8."""
    found = np.empty(len(thumbs), np.uint64)
    for i in range(0, len(thumbs), 4096):
        grey = thumbs[i : i + 4096].astype(np.float32) @ _LUMA
        waves = (_FREQUENCIES @ grey @ _FREQUENCIES.T).reshape(len(grey), 64)
        waves = np.rint(waves)  # a uniform picture must have none, despite rounding errors
        waves[:, 0] = 0  # the mean brightness does not distinguish pictures
        bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
        found[i : i + 4096] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def thumbnail_differences(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of thumbnails a[i] and b[i], (N, h, w, 3), apart from their mean brightness.

    They are the mean absolute difference in grey levels, float (N,), and the standard deviation of a[i], float (N,),
    for comparison: pictures of low contrast differ by few levels even if they are not the same.
    """
    one, other = a.astype(np.float32), b.astype(np.float32)
    difference = one - other
    difference -= difference.mean(axis=(1, 2, 3), keepdims=True)
    return np.abs(difference).mean(axis=(1, 2, 3)), one.std(axis=(1, 2, 3))


class HashIndex:
    """A multi-index of hashes, uint64 (N,), for the search by Hamming distance without comparing all pairs.

    If two hashes differ in at most k of 64 bits, then one of their four bands of 16 bits differs in at most k // 4
    (Norouzi et al., "Fast Search in Hamming Space with Multi-Index Hashing", 2012). Each band is sorted once and looked
    up with every combination of at most that many bits flipped. N hashes take 56 N bytes: each band has its own sorted
    copy, which makes look-ups local.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        self._count = len(hashes)
        self._bands = [_sort_band(hashes, band) for band in range(_BANDS)]

    def search(self, queries: np.ndarray, bits: int) -> np.ndarray:
        """Return all (i, j), int64 (P, 2), sorted, where queries[i] and hashes[j] differ in ``bits`` <= 11 at most."""
        masks = _bit_masks(bits // _BANDS)
        found = [np.zeros(0, np.int64)]
        for begin in range(0, len(queries), _QUERIES):
            part = queries[begin : begin + _QUERIES]
            for band, (order, begins, ordered) in enumerate(self._bands):
                wanted = (_band(part, band)[:, None] ^ masks).ravel().astype(np.intp)
                for lookup, place in _expand_ranges(begins[wanted], begins[wanted + 1]):
                    i = lookup // len(masks)
                    near = np.bitwise_count(part[i] ^ ordered[place]) <= bits
                    # A pair is one number here, because rows are slow to sort.
                    found.append((begin + i[near]) * self._count + order[place[near]])
        return np.stack(np.divmod(np.unique(np.concatenate(found)), max(self._count, 1)), axis=1)


def _sort_band(hashes: np.ndarray, band: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a band's order, int32 (N,), the start of each of its 65536 values, (65537,), and the sorted hashes."""
    values = _band(hashes, band)
    order = np.argsort(values, kind="stable").astype(np.int32)
    return order, np.concatenate([[0], np.cumsum(np.bincount(values, minlength=1 << _BAND_BITS))]), hashes[order]


def _bit_masks(most: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return every uint16 with at most ``most`` bits set."""
    bit_sets = (places for count in range(most + 1) for places in combinations(range(_BAND_BITS), count))
    return np.array([sum(1 << place for place in places) for places in bit_sets], np.uint16)


def _band(values: np.ndarray, band: int) -> np.ndarray:
    return (values >> np.uint64(band * _BAND_BITS)).astype(np.uint16)


def _expand_ranges(first: np.ndarray, last: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield arrays (i, place) of every place in first[i]..last[i] of each i, in blocks of bounded size."""
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

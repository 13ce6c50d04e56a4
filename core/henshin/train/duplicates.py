"""Pictures that show the same: found by a perceptual hash of their thumbnails, and confirmed by the thumbnails.

The hash is the sign of the 8 x 8 lowest frequencies of a picture's brightness (the DCT hash of Zauner, "Implementation
and Benchmarking of Perceptual Image Hash Functions", 2010): another size, compression or brightness changes few of its
64 bits. Many hashes that are near are of pictures that only resemble each other (faces do), so colours are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from henshin.train.fitting import THUMB

NEAR = 7
"""Bits in which the hashes of near-duplicates may differ. Below 8, so that of four bands one differs in one at most."""

UNLIKE = 16.0
"""Mean difference, in grey levels, up to which two thumbnails of the same brightness are the same picture."""

RELATIVE = 0.35
"""The same, in standard deviations of the picture: pictures of fog are not all the same."""

_BANDS, _BAND_BITS = 4, 16
_AT_ONCE = 1 << 21
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_FREQUENCIES = np.cos(np.pi * (np.arange(THUMB) + 0.5) * np.arange(8)[:, None] / THUMB).astype(np.float32)


def hashes(thumbs: np.ndarray) -> np.ndarray:
    """The perceptual hash, uint64 (N,), of thumbnails (N, 16, 16, 3) uint8."""
    found = np.empty(len(thumbs), np.uint64)
    for i in range(0, len(thumbs), 4096):
        grey = thumbs[i : i + 4096].astype(np.float32) @ _LUMA
        waves = (_FREQUENCIES @ grey @ _FREQUENCIES.T).reshape(len(grey), 64)
        waves[:, 0] = 0  # brightness alone tells nothing
        bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
        found[i : i + 4096] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def near_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All (i, j), sorted, for which the hashes a[i] and b[j] differ in at most `NEAR` bits; int64 (P, 2).

    Two such hashes agree in one of four bands of 16 bits but for one bit (Norouzi et al., "Fast Search in Hamming
    Space with Multi-Index Hashing", 2012): so each band is looked up in the other's sorted bands, with no bit and with
    each of its bits turned.
    """
    found = [np.zeros(0, np.int64)]
    for band in range(_BANDS):
        of_a, of_b = (_band(values, band) for values in (a, b))
        order = np.argsort(of_b, kind="stable")
        begins = np.concatenate([[0], np.cumsum(np.bincount(of_b, minlength=1 << _BAND_BITS))])
        for turned in [0, *(1 << bit for bit in range(_BAND_BITS))]:
            wanted = (of_a ^ np.uint16(turned)).astype(np.intp)
            for i, place in _spread(begins[wanted], begins[wanted + 1]):
                j = order[place]
                near = np.bitwise_count(a[i] ^ b[j]) <= NEAR
                found.append(i[near] * len(b) + j[near])  # as one number, for rows are slow to sort
    return np.stack(np.divmod(np.unique(np.concatenate(found)), max(len(b), 1)), axis=1)


def _band(values: np.ndarray, band: int) -> np.ndarray:
    return (values >> np.uint64(band * _BAND_BITS)).astype(np.uint16)


def _spread(first: np.ndarray, last: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
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


def same(thumbs: np.ndarray) -> np.ndarray:
    """All (i, j), i < j, of thumbnails (N, 16, 16, 3) that show the same picture, mirrored or not; int64 (P, 2).

    Of pictures with the very same hash only the first is compared with others: a thousand copies are not squared.
    """
    mirrored = thumbs[:, :, ::-1]
    own, turned = hashes(thumbs), hashes(mirrored)
    _, first, which = np.unique(own, return_index=True, return_inverse=True)
    copies = np.stack([first[which], np.arange(len(own))], axis=1)
    found = [
        _alike(thumbs, thumbs, _ascending(copies)),
        _alike(thumbs, thumbs, _ascending(first[near_pairs(own[first], own[first])])),
        _alike(thumbs, mirrored, _ascending(first[near_pairs(own[first], turned[first])])),
    ]
    return np.unique(np.concatenate(found), axis=0)


def _ascending(pairs: np.ndarray) -> np.ndarray:
    """The pairs (i, j) of two different pictures, i < j, each once."""
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def _alike(a: np.ndarray, b: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Those of the pairs whose thumbnails agree in colour, up to their brightness."""
    kept = [np.zeros((0, 2), np.int64)]
    for i in range(0, len(pairs), 4096):
        part = pairs[i : i + 4096]
        one, other = (x[k].astype(np.float32) for x, k in ((a, part[:, 0]), (b, part[:, 1])))
        spread = one.std(axis=(1, 2, 3))
        difference = one - other
        difference -= difference.mean(axis=(1, 2), keepdims=True)
        mean = np.abs(difference).mean(axis=(1, 2, 3))
        kept.append(part[(mean <= UNLIKE) & (mean <= np.maximum(RELATIVE * spread, 1))])
    return np.concatenate(kept)


def groups(pairs: np.ndarray) -> list[list[int]]:
    """Sets of numbers that hang together by pairs, each sorted, in the order of their first."""
    parent: dict[int, int] = {}

    def root(x: int) -> int:
        while parent.setdefault(x, x) != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for i, j in pairs.tolist():
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    found: dict[int, list[int]] = {}
    for x in sorted(parent):
        found.setdefault(root(x), []).append(x)
    return list(found.values())

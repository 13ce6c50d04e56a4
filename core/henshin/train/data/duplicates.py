"""Near-duplicates of a training set: candidates by perceptual hash, confirmed by thumbnail."""

from __future__ import annotations

import numpy as np

from henshin.images.measures.perceptual_hash import HashIndex, perceptual_hashes, thumbnail_differences

MAX_BITS = 7
"""Bits in which the hashes of near-duplicates may differ."""

MAX_DIFFERENCE = 16.0
"""Mean difference of the thumbnails of near-duplicates, at the same brightness, in grey levels."""

MAX_RELATIVE_DIFFERENCE = 0.35
"""The same difference in standard deviations of the picture, for pictures of low contrast."""


def near_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return all (i, j), sorted, whose hashes a[i] and b[j] differ in at most `MAX_BITS` bits; int64 (P, 2)."""
    return HashIndex(b).search(a, MAX_BITS)


def find_duplicates(thumbs: np.ndarray) -> np.ndarray:
    """Return all (i, j), i < j, of thumbnails (N, 16, 16, 3) of the same picture, mirrored or not; int64 (P, 2).

    Of pictures with equal hashes only the first is compared with others, so that N copies do not make N^2 pairs.
    """
    mirrored = thumbs[:, :, ::-1]
    codes, mirrored_codes = perceptual_hashes(thumbs), perceptual_hashes(mirrored)
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    copies = np.stack([first[which], np.arange(len(codes))], axis=1)
    confirmed = [
        _confirm(thumbs, thumbs, _ascending(copies)),
        _confirm(thumbs, thumbs, _ascending(first[near_pairs(codes[first], codes[first])])),
        _confirm(thumbs, mirrored, _ascending(first[near_pairs(codes[first], mirrored_codes[first])])),
    ]
    return np.unique(np.concatenate(confirmed), axis=0)


def _ascending(pairs: np.ndarray) -> np.ndarray:
    """Return the pairs (i, j) of two different pictures, i < j, each once."""
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def _confirm(a: np.ndarray, b: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the pairs whose thumbnails agree in colour, up to their brightness."""
    confirmed = [np.zeros((0, 2), np.int64)]
    for i in range(0, len(pairs), 4096):
        part = pairs[i : i + 4096]
        mean, deviation = thumbnail_differences(a[part[:, 0]], b[part[:, 1]])
        limit = np.minimum(MAX_DIFFERENCE, np.maximum(MAX_RELATIVE_DIFFERENCE * deviation, 1))
        confirmed.append(part[mean <= limit])
    return np.concatenate(confirmed)


def group_pairs(pairs: np.ndarray) -> list[list[int]]:
    """Return the connected groups of pairs (P, 2), each sorted, in the order of their first members."""
    parent: dict[int, int] = {}

    def root(x: int) -> int:
        while parent.setdefault(x, x) != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for i, j in pairs.tolist():
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for x in sorted(parent):
        groups.setdefault(root(x), []).append(x)
    return list(groups.values())

"""Pictures of a training set that show the same: near by their hashes, and confirmed by their thumbnails."""

from __future__ import annotations

import numpy as np

from henshin.images.perceptual_hash import HashIndex, perceptual_hashes, thumbnail_differences

__all__ = ["NEAR", "RELATIVE", "UNLIKE", "groups", "near_pairs", "perceptual_hashes", "same"]

NEAR = 7
"""Bits in which the hashes of near-duplicates may differ."""

UNLIKE = 16.0
"""Mean difference, in grey levels, up to which two thumbnails of the same brightness are the same picture."""

RELATIVE = 0.35
"""The same, in standard deviations of the picture: pictures of fog are not all the same."""


def near_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All (i, j), sorted, for which the hashes a[i] and b[j] differ in at most `NEAR` bits; int64 (P, 2)."""
    return HashIndex(b).search(a, NEAR)


def same(thumbs: np.ndarray) -> np.ndarray:
    """All (i, j), i < j, of thumbnails (N, 16, 16, 3) that show the same picture, mirrored or not; int64 (P, 2).

    Of pictures with the very same hash only the first is compared with others: a thousand copies are not squared.
    """
    mirrored = thumbs[:, :, ::-1]
    own, turned = perceptual_hashes(thumbs), perceptual_hashes(mirrored)
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
        mean, spread = thumbnail_differences(a[part[:, 0]], b[part[:, 1]])
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

"""Patterns that a network draws into everything: the checkerboards of uneven up-sampling, found before it ships."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from henshin.images.measures.spectra import Pattern, PatternFinder, grey
from henshin.models import Contract
from henshin.train.export.parity_pictures import resample, usable_pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

_SIDE, _TRANSLATIONS, _SAMPLES = 128, 4, 16
"""Least side of the pictures that are translated, how many of them, and how many are sampled."""


@torch.inference_mode()
def drawn_patterns(wrapped: nn.Module, contract: Contract, pictures: Sequence[NDArray[np.uint8]]) -> list[Pattern]:
    """Return the regular patterns in what a network in its wrapper draws; none where it draws too little to tell.

    A translator is given ``pictures`` (H, W, 3), a sampler noise. Other kinds are not looked at.
    """
    batches: Sequence[NDArray[Any]]
    if contract.kind == "translator":
        batches = _pictures(pictures, contract)
    elif contract.kind == "sampler":
        noise = np.random.default_rng(0).standard_normal((_SAMPLES, *(contract.latent_shape or ())))
        batches = np.split(noise.astype(np.float32), _SAMPLES)
    else:
        return []
    finder = PatternFinder()
    for batch in batches:
        for picture in wrapped(torch.from_numpy(batch.copy())).numpy():
            finder.add(grey(picture))
    return finder.patterns() or []


def _pictures(pictures: Sequence[NDArray[np.uint8]], contract: Contract) -> list[NDArray[np.uint8]]:
    """Return single pictures as batches, of sides that the network supports."""
    multiple = contract.size_multiple
    side = -(-max(_SIDE, min(contract.preferred_size or 0, 2 * _SIDE)) // multiple) * multiple
    usable, _ = usable_pictures(pictures)
    return [resample(usable[number % len(usable)], side, side)[None] for number in range(_TRANSLATIONS)]

"""Validation of super-resolution networks: PSNR on held-out pictures, and sample sheets."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from henshin.api.generator import GeneratorRegistry
from henshin.api.recipe import NetworkChoice
from henshin.images.measures.metrics import crop_border, luma, psnr
from henshin.images.picture import Picture
from henshin.train.data import to_float
from henshin.train.loggers.image_grid import pixels
from henshin.train.networks import make_generator
from henshin.train.super_resolution.patches import Patches, Pyramid

MAX_MEASURED = 10
"""Held-out pictures that are measured; more would delay the training."""

MAX_SHOWN = 4
"""Pictures on a sample sheet."""

MEASURED_SIDE = 480
"""Longest side of what is measured, pixels: the middle of a larger picture."""

SHOWN_SIDE = 160
"""Longest side of what a sheet shows of a picture, pixels."""

MAX_PSNR = 100.0
"""PSNR of equal pictures in place of infinity, which no curve can show, dB."""


def scales_of(registry: GeneratorRegistry, choice: NetworkChoice) -> dict[int, tuple[int, ...]]:
    """Return the scales of a generator, with the arguments that its network takes after the pictures.

    A network of several scales takes the scale; one of a single scale takes pictures alone.
    """
    family = make_generator(registry, choice.use, choice.options).family()
    scales = [make_generator(registry, choice.use, {**choice.options, **more}).scale for more in family.values()]
    return {scale: (scale,) if len(scales) > 1 else () for scale in scales}


class ValidationSet:
    """Held-out pictures at every scale; a few training pictures, not measured, where none is held out."""

    def __init__(self, patches: Patches, scales: dict[int, tuple[int, ...]]) -> None:
        self.scales, self.has_held_out = scales, bool(patches.held_out)
        pictures = _select(patches)
        self.pairs = {scale: [_middle(*one.pair(row, scale), scale) for one, row in pictures] for scale in scales}
        self.bicubic = {scale: [_bicubic(small, scale) for _, small in pairs] for scale, pairs in self.pairs.items()}
        self._outputs: dict[int, list[Picture]] = {}

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return the mean PSNR of luma of the network and of bicubic, dB: `psnr_x2`, `bicubic_x2`, ...

        Empty where no picture is held out: the PSNR of training pictures would be no validation.
        """
        metrics = {}
        for scale, pairs in self.pairs.items():
            self._outputs[scale] = [_enlarge(network, small, self.scales[scale]) for _, small in pairs]
            if not self.has_held_out:
                continue
            for name, pictures in (("psnr", self._outputs[scale]), ("bicubic", self.bicubic[scale])):
                values = [luma_psnr(one, large, scale) for one, (large, _) in zip(pictures, pairs, strict=True)]
                metrics[f"{name}_x{scale}"] = float(np.mean(values))
        return metrics

    def sheet(self, network: nn.Module) -> tuple[list[list[Picture]], tuple[str, ...]]:
        """Return the rows of a sample sheet and their names: bicubic, the network and the truth at each scale."""
        rows, names = [], []
        for scale, pairs in self.pairs.items():
            if scale not in self._outputs:
                self.measure(network)
            pictures = (self.bicubic[scale], self._outputs[scale], [large for large, _ in pairs])
            rows += [[_crop_shown(picture) for picture in row[:MAX_SHOWN]] for row in pictures]
            names += [f"bicubic x{scale}", f"drawn x{scale}", "truth"]
        return rows, tuple(names)


def luma_psnr(picture: Picture, truth: Picture, scale: int) -> float:
    """Return the PSNR of luma in dB without a border of `scale` pixels, at most `MAX_PSNR`."""
    border = scale if min(picture.shape[:2]) > 2 * scale else 0
    return min(psnr(crop_border(luma(picture), border), crop_border(luma(truth), border)), MAX_PSNR)


def _select(patches: Patches) -> list[tuple[Pyramid, int]]:
    training = [(folder, int(row)) for folder in patches.folders for row in folder.training]
    return patches.held_out[:MAX_MEASURED] or training[:MAX_SHOWN]


def _middle(large: Picture, small: Picture, scale: int) -> tuple[Picture, Picture]:
    """Crop the middle of a pair (3, h, w) at the same place; return (h, w, 3)."""
    large, small = (one.transpose(1, 2, 0) for one in (large, small))
    longest = MEASURED_SIDE // scale
    top, left = (max(0, side - longest) // 2 for side in small.shape[:2])
    part = small[top : top + longest, left : left + longest]
    height, width = part.shape[0] * scale, part.shape[1] * scale
    return large[top * scale :, left * scale :][:height, :width], part


def _crop_shown(picture: Picture) -> Picture:
    top, left = (max(0, side - SHOWN_SIDE) // 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + SHOWN_SIDE, left : left + SHOWN_SIDE])


def _bicubic(small: Picture, scale: int) -> Picture:
    height, width = small.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(small))
    return np.asarray(image.resize((width * scale, height * scale), Image.Resampling.BICUBIC))


@torch.no_grad()
def _enlarge(network: nn.Module, small: Picture, arguments: tuple[int, ...]) -> Picture:
    device = next(network.parameters()).device
    batch: Tensor = to_float(torch.from_numpy(small.copy()).to(device).permute(2, 0, 1)[None])
    return pixels(network(batch, *arguments))[0]

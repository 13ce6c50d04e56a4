"""Networks that enlarge: their scales, and how far what they draw of held-out pictures is from the truth."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from henshin.api.generator import GeneratorRegistry
from henshin.api.recipe import NetworkChoice
from henshin.images.metrics import crop_border, luma, psnr
from henshin.images.picture import Picture
from henshin.train.data import to_float
from henshin.train.loggers.image_grid import pixels
from henshin.train.networks import make_generator
from henshin.train.super_resolution.patches import Patches, Pyramid

MEASURED = 10
"""Held-out pictures that are measured; more would hold a training up."""

SHOWN = 4
"""Pictures on a sample sheet."""

WIDEST = 480
"""Of a larger held-out picture its middle is measured, so many pixels to a side."""

WINDOW = 160
"""Side of what a sheet shows of each picture."""

EQUAL = 100.0
"""PSNR of what is equal, in place of infinity, which no curve can show."""


def scales_of(registry: GeneratorRegistry, choice: NetworkChoice) -> dict[int, tuple[int, ...]]:
    """The scales of a generator, with what its network wants to be called with besides pictures.

    A network of several scales takes the one that is wanted; another takes pictures alone.
    """
    family = make_generator(registry, choice.use, choice.options).family()
    scales = [make_generator(registry, choice.use, {**choice.options, **more}).scale for more in family.values()]
    return {scale: (scale,) if len(scales) > 1 else () for scale in scales}


class Watched:
    """Some held-out pictures at every scale, measured and shown; training ones, only shown, where none is held out."""

    def __init__(self, patches: Patches, scales: dict[int, tuple[int, ...]]) -> None:
        self.scales, self.held = scales, bool(patches.held)
        self.pairs = {scale: [_middle(*one.pair(row, scale), scale) for one, row in _some(patches)] for scale in scales}
        self.bicubic = {scale: [_enlarged(small, scale) for _, small in pairs] for scale, pairs in self.pairs.items()}
        self._drawn: dict[int, list[Picture]] = {}

    def figures(self, network: nn.Module) -> dict[str, float]:
        """Mean PSNR of luma in dB of what is drawn, and of bicubic: `psnr_x2`, `bicubic_x2`, and so on.

        Nothing where none is held out: of pictures that were trained on it would tell nothing.
        """
        found = {}
        for scale, pairs in self.pairs.items():
            self._drawn[scale] = [_draw(network, small, self.scales[scale]) for _, small in pairs]
            if not self.held:
                continue
            for name, pictures in (("psnr", self._drawn[scale]), ("bicubic", self.bicubic[scale])):
                each = [distance(one, large, scale) for one, (large, _) in zip(pictures, pairs, strict=True)]
                found[f"{name}_x{scale}"] = float(np.mean(each))
        return found

    def sheet(self, network: nn.Module) -> tuple[list[list[Picture]], tuple[str, ...]]:
        """Rows of a sheet and their names: of each scale what bicubic makes, what the network draws, and the truth."""
        rows, names = [], []
        for scale, pairs in self.pairs.items():
            if scale not in self._drawn:
                self.figures(network)
            whole = (self.bicubic[scale], self._drawn[scale], [large for large, _ in pairs])
            rows += [[_window(picture) for picture in row[:SHOWN]] for row in whole]
            names += [f"bicubic x{scale}", f"drawn x{scale}", "truth"]
        return rows, tuple(names)


def distance(picture: Picture, truth: Picture, scale: int) -> float:
    """PSNR of luma in dB, `scale` pixels of the border left out; `EQUAL` at most."""
    border = scale if min(picture.shape[:2]) > 2 * scale else 0
    return min(psnr(crop_border(luma(picture), border), crop_border(luma(truth), border)), EQUAL)


def _some(patches: Patches) -> list[tuple[Pyramid, int]]:
    return patches.held[:MEASURED] or [(one, int(row)) for one in patches.folders for row in one.training][:SHOWN]


def _middle(large: Picture, small: Picture, scale: int) -> tuple[Picture, Picture]:
    """The middle of a pair (3, h, w), cut at the same place of both; (h, w, 3)."""
    large, small = (one.transpose(1, 2, 0) for one in (large, small))
    most = WIDEST // scale
    top, left = (max(0, side - most) // 2 for side in small.shape[:2])
    part = small[top : top + most, left : left + most]
    height, width = part.shape[0] * scale, part.shape[1] * scale
    return large[top * scale :, left * scale :][:height, :width], part


def _window(picture: Picture) -> Picture:
    top, left = (max(0, side - WINDOW) // 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + WINDOW, left : left + WINDOW])


def _enlarged(small: Picture, scale: int) -> Picture:
    height, width = small.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(small))
    return np.asarray(image.resize((width * scale, height * scale), Image.Resampling.BICUBIC))


@torch.no_grad()
def _draw(network: nn.Module, small: Picture, more: tuple[int, ...]) -> Picture:
    device = next(network.parameters()).device
    batch: Tensor = to_float(torch.from_numpy(small.copy()).to(device).permute(2, 0, 1)[None])
    return pixels(network(batch, *more))[0]

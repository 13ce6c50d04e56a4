"""Layers that several convolutional generators share: reflected convolutions, enlargement, residual block, output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

COLOUR_SCALE = 0.9
"""Factor on the colours that a `PictureOutput` passes on: atanh is infinite at 1."""


def reflected_convolution(before: int, after: int, kernel: int, stride: int = 1, bias: bool = True) -> list[nn.Module]:
    """Return reflection padding and a convolution; at stride 1 the size stays."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel, stride, bias=bias)]


def resize_convolution(before: int, after: int, bias: bool = True) -> list[nn.Module]:
    """Return a nearest resize to twice the size and a 3x3 convolution.

    Unlike transposed convolutions they leave no checkerboard (Odena et al. 2016).
    """
    return [nn.Upsample(scale_factor=2, mode="nearest"), *reflected_convolution(before, after, 3, bias=bias)]


class ResidualBlock(nn.Module):
    """x + F(x), F two reflected 3x3 convolutions with instance norm, a ReLU between them (Johnson et al. 2016).

    Unless `normed`, there is no norm.
    """

    def __init__(self, width: int, bias: bool = True, normed: bool = True) -> None:
        super().__init__()
        norm = nn.InstanceNorm2d if normed else nn.Identity
        self.body = nn.Sequential(
            *reflected_convolution(width, width, 3, bias=bias),
            norm(width),
            nn.ReLU(inplace=True),
            *reflected_convolution(width, width, 3, bias=bias),
            norm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        total: Tensor = x + self.body(x)
        return total


class PictureOutput(nn.Module):
    """The output of a generator: tanh(z), or with a skip connection tanh(z + atanh(0.9 c)). It has no parameters.

    With `cells` > 0 c is the input averaged over cells x cells equal parts and enlarged bilinearly, its broad colours:
    instance norm after the first convolution removes the mean and the contrast of the whole picture, so that such a
    network cannot know them. With `photo` c is the input itself, and the network learns what to change in it.
    """

    def __init__(self, cells: int = 0, photo: bool = False) -> None:
        super().__init__()
        self.cells, self.photo = cells, photo

    def forward(self, z: Tensor, pictures: Tensor) -> Tensor:
        """z (N, 3, H, W) and the input in [-1, 1], of the same shape -> pictures in [-1, 1]; the skip is in fp32."""
        if not self.cells and not self.photo:
            return torch.tanh(z)
        colours = pictures.float() if self.photo else broad_colours(pictures, self.cells)
        scaled = (colours * COLOUR_SCALE).clamp(-COLOUR_SCALE, COLOUR_SCALE)
        return torch.tanh(z.float() + torch.atanh(scaled)).to(pictures.dtype)


def broad_colours(pictures: Tensor, cells: int) -> Tensor:
    """Return pictures (N, C, H, W) averaged over cells x cells equal parts and enlarged bilinearly, fp32.

    H and W are any, also smaller than `cells`: a pixel on a boundary counts in both parts by its share. Written as
    products by fixed matrices, since PyTorch exports no adaptive pooling of pictures of free size.
    """
    height, width = pictures.shape[2:]
    with torch.autocast(pictures.device.type, enabled=False):
        reduce_rows, enlarge_rows = _cell_matrices(height, cells, pictures.device)
        reduce_columns, enlarge_columns = _cell_matrices(width, cells, pictures.device)
        means = reduce_rows @ pictures.float() @ reduce_columns.T
        enlarged: Tensor = enlarge_rows @ means @ enlarge_columns.T
    return enlarged


def _cell_matrices(length: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the matrices (cells, length), means of equal parts, and (length, cells), interpolation between middles.

    Before the first and after the last middle the interpolated value is that of the first and of the last part.
    """
    place = torch.arange(length, device=device, dtype=torch.float32)
    cell = torch.arange(cells, device=device, dtype=torch.float32)
    side = length / cells
    inside = torch.minimum(place + 1, (cell[:, None] + 1) * side) - torch.maximum(place, cell[:, None] * side)
    middle = ((place + 0.5) / side - 0.5).clamp(0, cells - 1)
    return inside.clamp(min=0) / side, (1 - (middle[:, None] - cell).abs()).clamp(min=0)

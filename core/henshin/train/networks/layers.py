"""Layers that several convolutional generators share: reflected convolutions, enlargement, the residual block."""

from __future__ import annotations

from torch import Tensor, nn


def reflected_convolution(before: int, after: int, kernel: int, stride: int = 1, bias: bool = True) -> list[nn.Module]:
    """Return reflection padding and a convolution; at stride 1 the size stays."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel, stride, bias=bias)]


def resize_convolution(before: int, after: int, bias: bool = True) -> list[nn.Module]:
    """Return a nearest resize to twice the size and a 3x3 convolution.

    Unlike transposed convolutions they leave no checkerboard (Odena et al. 2016).
    """
    return [nn.Upsample(scale_factor=2, mode="nearest"), *reflected_convolution(before, after, 3, bias=bias)]


class ResidualBlock(nn.Module):
    """x + F(x), F two reflected 3x3 convolutions with instance norm, a ReLU between them (Johnson et al. 2016)."""

    def __init__(self, width: int, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *reflected_convolution(width, width, 3, bias=bias),
            nn.InstanceNorm2d(width),
            nn.ReLU(inplace=True),
            *reflected_convolution(width, width, 3, bias=bias),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        total: Tensor = x + self.body(x)
        return total

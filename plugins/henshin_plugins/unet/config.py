"""Options of the generator `unet`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from henshin import GeneratorConfig


class UNetConfig(GeneratorConfig):
    """Defaults are the paper's for 256 px: 54.414 M parameters; use fewer `downs` for smaller pictures."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; they double up to 8 times as many.")
    downs: int = Field(
        8,
        ge=2,
        le=10,
        description="Halvings, and as many doublings: 8 reduce 256 px to 1x1. Sizes are multiples of 2 ** downs.",
    )
    norm: Literal["instance", "batch"] = Field(
        "instance", description="Norm after all layers except the first, the innermost and the last."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout after the first three upward layers in training (pix2pix: 0.5)."
    )
    upsample: Literal["transposed", "resize"] = Field(
        "transposed",
        description="The paper's transposed convolution, or nearest resize + convolution (no checkerboard).",
    )
    colour_skip: int = Field(
        0,
        ge=0,
        le=64,
        description="Cells along each side into which the photo's broad colours are averaged; they are added before "
        "the tanh, for instance norm removes them; 0: none.",
    )

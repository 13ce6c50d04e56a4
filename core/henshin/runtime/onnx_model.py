"""What is done to the arrays of pictures on their way into a network and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from henshin.api.frame import Picture
    from henshin.models import Contract

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def padded(picture: Picture, height: int, width: int) -> Picture:
    """Lengthen a picture below and to the right by reflection; by its edge where it is too short to be reflected."""
    for axis, length in ((0, height), (1, width)):
        missing = length - picture.shape[axis]
        if missing > 0:
            pairs = [(0, 0)] * 3
            pairs[axis] = (0, missing)
            mode = "reflect" if missing < picture.shape[axis] else "edge"
            picture = np.pad(picture, pairs, mode=mode)  # type: ignore[call-overload]
    return picture


def fed(pictures: Picture, contract: Contract, port_type: str) -> npt.NDArray[Any]:
    """Turn a batch (N, H, W, 3) uint8 into what the network's layout wants."""
    if contract.layout == "nhwc_uint8":
        return np.ascontiguousarray(pictures)
    low, high = contract.value_range
    if contract.channel_order == "BGR":
        pictures = pictures[..., ::-1]
    values = pictures.transpose(0, 3, 1, 2).astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    return np.ascontiguousarray(values, dtype=_FLOATS.get(port_type, np.float32))


def taken(result: npt.NDArray[Any], contract: Contract) -> npt.NDArray[Any]:
    """Turn what a network of this layout gave into a batch (N, H, W, 3) uint8."""
    if contract.layout == "nhwc_uint8":
        return result
    low, high = contract.value_range
    values = (result.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    pictures = np.rint(np.clip(values, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures[..., ::-1] if contract.channel_order == "BGR" else pictures)


def ramp(length: int) -> npt.NDArray[np.uint16]:
    """Return the shares, in 256ths, with which something new comes in over ``length`` pixels: (length,), rising."""
    return ((2 * np.arange(length) + 1) * 128 // length).astype(np.uint16)


def blend(old: Picture, new: Picture, share: npt.NDArray[np.uint16]) -> None:
    """Mix ``new`` into ``old`` (H, W, 3) uint8, in place: 256ths, (..., 1) or as long as what is mixed, or longer.

    Where both are the same nothing changes, whatever the share.
    """
    share = share[: old.shape[0]] if share.ndim == 3 else share[: old.shape[1]]
    mixed = new.astype(np.uint16) * share
    mixed += old.astype(np.uint16) * (256 - share)
    mixed += 128
    old[...] = mixed >> 8

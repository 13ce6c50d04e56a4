"""Where a run computes, and how precisely. Lightning Fabric does the rest."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision

from henshin.errors import MissingError
from henshin.runtime import parse_device


class Bf16(MixedPrecision):
    """bf16 autocast, under which a plain `loss.backward()` is as good as Fabric's own: there is no scaler to ask."""

    backward = Precision.backward


def make_fabric(device: str, precision: str) -> Fabric:
    """Fabric for "auto", "cpu", "cuda" or "cuda:N" and "auto", "bf16" or "fp32".

    "auto" is the first GPU if there is one, and bf16 where the processor is fast at it.
    Errors: HenshinError for another word; MissingError when there is no such GPU.
    """
    kind, index = parse_device(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and index >= count:
        raise MissingError(f"--device {device}: PyTorch sees {count or 'no'} GPU here; use --device cpu, or auto")
    on_gpu = count > 0 and kind != "cpu"
    if precision == "auto":
        precision = "bf16" if on_gpu or torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"
    devices: Any = [index] if on_gpu else 1
    accelerator = "cuda" if on_gpu else "cpu"
    chosen: dict[str, Any] = {"precision": "32-true"}
    if precision == "bf16":
        chosen = {"plugins": [Bf16("bf16-mixed", accelerator)]}
    return Fabric(accelerator=accelerator, devices=devices, **chosen)


def precision_of(fabric: Fabric) -> str:
    """ "bf16" or "fp32"."""
    return "bf16" if isinstance(fabric._precision, Bf16) else "fp32"


def told(fabric: Fabric) -> str:
    """Where and how this computes, in words."""
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "the CPU"
    return f"trains on {name}, in {precision_of(fabric)}"

"""Where a run computes, and how precisely. Lightning Fabric does the rest."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision

from henshin.errors import HenshinError, MissingError
from henshin.runtime import parse_device
from henshin.train.devices.distributed import GradientAveragingStrategy


class Bf16(MixedPrecision):
    """bf16 autocast, under which a plain `loss.backward()` is as good as Fabric's own: there is no scaler to ask."""

    backward = Precision.backward


def make_fabric(device: str, precision: str, devices: int = 1) -> Fabric:
    """Fabric for "auto", "cpu", "cuda" or "cuda:N" and "auto", "bf16" or "fp32", on so many `devices` of that kind.

    "auto" is the first GPU if there is one (with `devices`, the first GPUs if there are enough), and bf16 where the
    processor is fast at it; several devices of the CPU are processes.
    Errors: HenshinError for another word; MissingError when there are no such GPUs.
    """
    kind, index = parse_device(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if devices > 1 and ":" in device:
        raise HenshinError(f"--device {device} is one GPU; for --devices {devices} say --device cuda")
    if (kind == "cuda" and index + devices > count) or (kind == "auto" and 0 < count < devices):
        wanted = f"--device {device}" + (f" --devices {devices}" if devices > 1 else "")
        raise MissingError(f"{wanted}: PyTorch sees {count or 'no'} GPU here; use --device cpu, or auto")
    on_gpu = count > 0 and kind != "cpu"
    if precision == "auto":
        precision = "bf16" if fast_at_bf16(on_gpu) else "fp32"
    places: Any = devices if not on_gpu else list(range(index, index + devices))
    accelerator = "cuda" if on_gpu else "cpu"
    chosen: dict[str, Any] = {"precision": "32-true"}
    if precision == "bf16":
        chosen = {"plugins": [Bf16("bf16-mixed", accelerator)]}
    if devices > 1:
        chosen["strategy"] = GradientAveragingStrategy(start_method="spawn")
    return Fabric(accelerator=accelerator, devices=places, **chosen)


def tune(fabric: Fabric) -> None:
    """Settings of the whole process that suit a run on a GPU; the CPU needs none.

    fp32 means fp32: TensorFloat-32 rounds to 10 bits, so it serves only where bf16, which rounds to 7, is allowed.
    Pictures of a run are of few sizes, so that trying every convolution once pays.
    """
    if fabric.device.type != "cuda":
        return
    allowed = "tf32" if precision_of(fabric) == "bf16" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = allowed
    torch.backends.cudnn.fp32_precision = allowed
    torch.backends.cudnn.conv.fp32_precision = allowed  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = True


def precision_of(fabric: Fabric) -> str:
    """ "bf16" or "fp32"."""
    return "bf16" if isinstance(fabric._precision, Bf16) else "fp32"


def told(fabric: Fabric, compiled: bool = False) -> str:
    """Where and how this computes, in words."""
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "the CPU"
    many = "" if fabric.world_size == 1 else f"{fabric.world_size} processes on "
    many = f"{fabric.world_size} x " if many and fabric.device.type == "cuda" else many
    return f"trains on {many}{name}, in {precision_of(fabric)}{', compiled' if compiled else ''}"


def fast_at_bf16(on_gpu: bool) -> bool:
    """Whether the GPU (the first one), or the CPU, computes in bf16 by itself."""
    if on_gpu:  # before Ampere bf16 is emulated, at a fraction of the speed of fp32
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

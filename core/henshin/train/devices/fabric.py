"""Device and precision of a run, by Lightning Fabric."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision, Precision

from henshin.errors import HenshinError, MissingError
from henshin.runtime import parse_device
from henshin.train.devices.distributed import GradientAveragingStrategy
from henshin.train.devices.memory import keep_freed_memory

WORTHWHILE_COST = 0.9
"""Time of bf16 on the CPU, divided by that of fp32, below which "auto" chooses it. An Intel Xeon with AVX512-BF16 but
without AMX takes 1.6: having the instruction says nothing about its speed."""


class Bf16(MixedPrecision):
    """bf16 autocast whose backward pass is the plain one: bf16 needs no gradient scaler."""

    backward = Precision.backward


def make_fabric(device: str, precision: str, devices: int = 1) -> Fabric:
    """Return Fabric for a device ("auto", "cpu", "cuda", "cuda:N"), a precision ("auto", "bf16", "fp32") and a count.

    Device "auto" is the first GPU, or the first `devices` GPUs, and the CPU where there is none. Precision "auto" is
    bf16 where the processor is faster at it. Several devices of the CPU are processes.
    Errors: HenshinError for an unknown device; MissingError when there are too few GPUs.
    """
    kind, index = parse_device(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if devices > 1 and ":" in device:
        raise HenshinError(f"--device {device} is one GPU; for --devices {devices} say --device cuda")
    if (kind == "cuda" and index + devices > count) or (kind == "auto" and 0 < count < devices):
        request = f"--device {device}" + (f" --devices {devices}" if devices > 1 else "")
        raise MissingError(f"{request}: PyTorch sees {count or 'no'} GPU here; use --device cpu, or auto")
    on_gpu = count > 0 and kind != "cpu"
    if precision == "auto":
        precision = "bf16" if is_fast_at_bf16(on_gpu) else "fp32"
    indices: Any = devices if not on_gpu else list(range(index, index + devices))
    accelerator = "cuda" if on_gpu else "cpu"
    options: dict[str, Any] = {"precision": "32-true"}
    if precision == "bf16":
        options = {"plugins": [Bf16("bf16-mixed", accelerator)]}
    if devices > 1:
        options["strategy"] = GradientAveragingStrategy(start_method="spawn")
    return Fabric(accelerator=accelerator, devices=indices, **options)


def set_backend_flags(fabric: Fabric) -> None:
    """Set process-wide flags for a run: PyTorch's on a GPU, on the CPU those of the C library's memory.

    TensorFloat-32 (10 bits of mantissa) is enabled only for bf16 runs (7 bits): fp32 stays fp32. cuDNN's benchmark
    mode is enabled because the pictures of a run have few sizes.
    """
    if fabric.device.type != "cuda":
        keep_freed_memory()
        return
    allowed = "tf32" if precision_of(fabric) == "bf16" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = allowed
    torch.backends.cudnn.fp32_precision = allowed
    torch.backends.cudnn.conv.fp32_precision = allowed  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = True


def precision_of(fabric: Fabric) -> str:
    """Return "bf16" or "fp32"."""
    return "bf16" if isinstance(fabric._precision, Bf16) else "fp32"


def describe_device(fabric: Fabric, compiled: bool = False) -> str:
    """Return device, precision and compilation of a run as a line for the user."""
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "the CPU"
    count = "" if fabric.world_size == 1 else f"{fabric.world_size} processes on "
    count = f"{fabric.world_size} x " if count and fabric.device.type == "cuda" else count
    return f"trains on {count}{name}, in {precision_of(fabric)}{', compiled' if compiled else ''}"


def is_fast_at_bf16(on_gpu: bool) -> bool:
    """Return whether the first GPU, or the CPU, computes bf16 in hardware and faster than fp32."""
    if on_gpu:  # GPUs older than Ampere emulate bf16, at a fraction of the speed of fp32
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and bf16_cost_on_cpu() < WORTHWHILE_COST


@cache
def bf16_cost_on_cpu() -> float:
    """Return the time of a convolution and its gradients in bf16, divided by that in fp32: the best of a few runs each.

    One thread is timed by its own clock, so that other work on the machine counts little; it takes 0.2 s.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        convolution, pictures = torch.nn.Conv2d(128, 128, 3, padding=1), torch.zeros(8, 128, 16, 16)
        best = {True: float("inf"), False: float("inf")}
        for _ in range(5):
            for bf16 in best:
                start = time.thread_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16), torch.enable_grad():
                    result = convolution(pictures)
                result.float().sum().backward()
                best[bf16] = min(best[bf16], time.thread_time() - start)
        return best[True] / best[False]
    finally:
        torch.set_num_threads(threads)

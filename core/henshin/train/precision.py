"""Which arithmetic a processor is fast at."""

from __future__ import annotations

import torch


def fast_at_bf16(on_gpu: bool) -> bool:
    """Whether the GPU (the first one), or the CPU, computes in bf16 by itself."""
    if on_gpu:  # before Ampere bf16 is emulated, at a fraction of the speed of fp32
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

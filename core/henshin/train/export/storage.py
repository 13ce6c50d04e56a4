"""Storage of the weights in an ONNX file: fp32, or fewer bits that ONNX Runtime widens when it loads the model.

The arithmetic stays fp32. The network itself is rounded first, so that the parity check compares rounded with rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from henshin.errors import HenshinError

if TYPE_CHECKING:
    import numpy.typing as npt

Storage = Literal["fp32", "fp16", "int8"]
"""fp32: as they are; fp16: half the space; int8: a quarter, with a scale for each output channel."""

LEAST_HALVED = 64
"""Least number of values of a tensor that is stored as fp16; smaller ones would save nothing."""

LEAST_QUANTISED = 1024
"""Least number of values of a tensor that is stored as int8: biases and first layers stay exact."""

LEVELS = 127
"""Largest integer of a weight; the scale of a channel is its largest absolute weight, divided by this."""


@torch.no_grad()
def round_weights(network: nn.Module, storage: Storage) -> None:
    """Round a network's weights, in place, to what the storage can hold.

    Errors: HenshinError for a weight beyond the range of fp16.
    """
    for name, parameter in network.named_parameters():
        if storage == "fp16":
            half = parameter.half()
            if not torch.isfinite(half).all():
                raise HenshinError(f"weight '{name}' does not fit into fp16; export without --fp16")
            parameter.copy_(half.float())
        elif storage == "int8" and parameter.ndim > 1 and parameter.numel() >= LEAST_QUANTISED:
            scale = (parameter.flatten(1).abs().amax(1) / LEVELS).clamp_min(1e-12)
            scale = scale.view(-1, *[1] * (parameter.ndim - 1))
            parameter.copy_((parameter / scale).round() * scale)


def store_weights(model: onnx.ModelProto, storage: Storage) -> None:
    """Store the large fp32 weights of a graph, which are rounded already, in fewer bits behind nodes that widen them.

    Weights that the exporter has transposed or combined, and that int8 therefore cannot hold exactly, stay fp32.
    """
    if storage == "fp32":
        return
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        if storage == "fp16" and np.prod(weight.dims) >= LEAST_HALVED:
            nodes.append(_halve(weight))
        elif storage == "int8" and len(weight.dims) > 1 and np.prod(weight.dims) >= LEAST_QUANTISED:
            found = _quantise(weight)
            if found is not None:
                nodes += found[0]
                added.append(found[1])
    model.graph.initializer.extend(added)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def _halve(weight: onnx.TensorProto) -> onnx.NodeProto:
    name = weight.name
    half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}_fp16")
    weight.CopyFrom(half)
    return helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)


def _quantise(weight: onnx.TensorProto) -> tuple[list[onnx.NodeProto], onnx.TensorProto] | None:
    """Turn a tensor into int8; return the nodes that give it back, and its scales. None where it is not on a grid.

    A Cast and a Mul are folded when a model is loaded; ONNX Runtime would compute a DequantizeLinear at every run.
    """
    name, values = weight.name, numpy_helper.to_array(weight)
    for axis in range(values.ndim):
        scale = _scales(values, axis)
        integers = np.rint(values / scale)
        if np.allclose(integers * scale, values, rtol=1e-5, atol=1e-9):
            weight.CopyFrom(numpy_helper.from_array(integers.astype(np.int8), f"{name}_int8"))
            wide, scales = f"{name}_wide", numpy_helper.from_array(scale, f"{name}_scale")
            cast = helper.make_node("Cast", [f"{name}_int8"], [wide], to=TensorProto.FLOAT)
            return [cast, helper.make_node("Mul", [wide, scales.name], [name])], scales
    return None


def _scales(values: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale: npt.NDArray[np.float32] = np.maximum(np.abs(values).max(axis=others, keepdims=True) / LEVELS, 1e-12)
    return scale.astype(np.float32)

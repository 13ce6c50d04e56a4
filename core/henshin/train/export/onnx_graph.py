"""ONNX file of a wrapped network: tracing, names of inputs and dimensions, the contract in the metadata."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from henshin.models import METADATA_KEY, Contract
from henshin.train.export.storage import Storage, store_weights

OPSET = 20
INPUT, LATENTS, OUTPUT = "pictures", "latents", "pictures_out"
STYLES, MEAN_STYLE = "styles", "mean_style"
"""Outputs of a mapping or an encoder, and the second, constant output of a mapping."""


def example_input(contract: Contract) -> tuple[Tensor, dict[int, Any], str]:
    """Return an input for tracing, its dynamic dimensions, and its name."""
    count = torch.export.Dim("n", min=1)
    if contract.kind == "encoder":
        side = contract.preferred_size or 0
        return torch.zeros((2, side, side, 3), dtype=torch.uint8), {0: count}, INPUT
    if contract.kind != "translator":
        return torch.zeros(2, *(contract.latent_shape or ())), {0: count}, LATENTS
    multiple = contract.size_multiple
    # at least twice the multiple: the tracer would take a size of one pixel inside a deep network for constant
    rows, columns = (8, 12) if multiple <= 16 else (2, 3)
    example = torch.zeros((2, rows * multiple, columns * multiple, 3), dtype=torch.uint8)
    height, width = torch.export.Dim("h", min=1), torch.export.Dim("w", min=1)
    return example, {0: count, 1: multiple * height, 2: multiple * width}, INPUT


def write_graph(wrapped: nn.Module, path: Path, contract: Contract, storage: Storage) -> None:
    """Write a network as ONNX with a dynamic batch (and height and width), and its contract in the metadata."""
    example, shape, name = example_input(contract)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            (example,),
            path,
            input_names=[name],
            output_names=[STYLES if contract.kind in ("mapping", "encoder") else OUTPUT],
            dynamic_shapes=(shape,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    name_dimensions(model)
    strip_metadata(model)
    store_weights(model, storage)
    mean = getattr(wrapped, "mean", None)
    if isinstance(mean, Tensor):
        add_constant_output(model, MEAN_STYLE, mean.detach().cpu().float().numpy())
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, contract.to_json()
    onnx.save(model, path)


def name_dimensions(model: onnx.ModelProto) -> None:
    """Name the dynamic dimensions n, h and w, in place of the expressions of the tracer."""
    for port in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(port.type.tensor_type.shape.dim, ("n", "h", "w"), strict=False):
            if dimension.dim_param:
                dimension.dim_param = f"{port.name}_{name}" if port.name == OUTPUT else name


def strip_metadata(model: onnx.ModelProto) -> None:
    """Remove the source lines of each node: they are long, and contain paths of the exporting machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


def add_constant_output(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    """Add a constant output; PyTorch's exporter makes an invalid graph of one."""
    model.graph.initializer.append(numpy_helper.from_array(values, f"{name}_values"))
    model.graph.node.append(helper.make_node("Identity", [f"{name}_values"], [name]))
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape))

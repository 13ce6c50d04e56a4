"""Tiny samplers, built node by node: latents (N, D) float32 in, pictures (N, H, W, 3) uint8 out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from support_onnx import constant

from henshin.models import METADATA_KEY, Contract

LENGTH, SIDE = 5, 8


def weights() -> np.ndarray:
    """(LENGTH, SIDE * SIDE * 3): how much of each number of noise goes into each value."""
    return np.random.default_rng(8).normal(0, 30, (LENGTH, SIDE * SIDE * 3)).astype(np.float32)


def expected(noise: np.ndarray) -> np.ndarray:
    """What `sampler` draws from noise (D,), by numpy alone."""
    values: np.ndarray = np.rint(np.clip(noise.astype(np.float32) @ weights() + 128, 0, 255)).astype(np.uint8)
    return values.reshape(SIDE, SIDE, 3)


def sampler(path: Path, batch: int | str = "n", forbidden: float | None = None, **contract: Any) -> Path:
    """128 + noise @ weights. With `forbidden` it fails on a batch in which the first number of any noise is above."""
    values: dict[str, Any] = {"name": path.stem, "kind": "sampler", "latent_shape": (LENGTH,), "preferred_size": SIDE}
    nodes = [
        helper.make_node("MatMul", ["latents", "weights"], ["x"]),
        helper.make_node("Add", ["x", "gray"], ["y"]),
        helper.make_node("Clip", ["y", "zero", "full"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Reshape", ["bytes", "shape"], ["drawn"]),
    ]
    constants = [
        constant("weights", weights()), constant("gray", 128.0), constant("zero", 0.0), constant("full", 255.0),
        constant("shape", [-1, SIDE, SIDE, 3], np.int64),
    ]  # fmt: skip
    if forbidden is None:
        nodes.append(helper.make_node("Identity", ["drawn"], ["pictures_out"]))
    else:  # the index into a list of one is 1, out of bounds, where the largest first number is above
        nodes += [
            helper.make_node("Slice", ["latents", "first", "second", "axis"], ["firsts"]),
            helper.make_node("ReduceMax", ["firsts"], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "limit"], ["above"]),
            helper.make_node("Cast", ["above"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["list", "index"], ["nothing"]),
            helper.make_node("Add", ["drawn", "nothing"], ["pictures_out"]),
        ]
        constants += [
            constant("first", [0], np.int64), constant("second", [1], np.int64), constant("axis", [1], np.int64),
            constant("limit", forbidden), constant("list", [0], np.uint8),
        ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "sampler",
        [helper.make_tensor_value_info("latents", TensorProto.FLOAT, [batch, LENGTH])],
        [helper.make_tensor_value_info("pictures_out", TensorProto.UINT8, [batch, SIDE, SIDE, 3])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: Contract(**(values | contract)).to_json()})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path

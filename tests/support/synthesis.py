"""Tiny models of two halves, built node by node: noise (N, D) to styles (N, L, D), and those to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from henshin.models import Contract
from support.onnx import constant, write

LAYERS, LENGTH, SIDE = 6, 4, 8
MEAN = np.arange(LENGTH, dtype=np.float32) - 1
WEIGHTS = np.random.default_rng(11).normal(0, 12, (LAYERS * LENGTH, SIDE * SIDE * 3)).astype(np.float32)


def expected(styles: np.ndarray) -> np.ndarray:
    """What the synthesis draws of styles (LAYERS, LENGTH), by numpy alone; (SIDE, SIDE, 3) uint8."""
    values = styles.astype(np.float32).reshape(-1) @ WEIGHTS + 128
    drawn: np.ndarray = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return drawn.reshape(SIDE, SIDE, 3)


def latents(count: int, seed: int = 0, layers: int = LAYERS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, layers, LENGTH)).astype(np.float32)


def synthesis(path: Path, layers: int = LAYERS, **contract: Any) -> Path:
    """128 + styles @ weights."""
    values: dict[str, Any] = {"kind": "synthesis", "latent_shape": (layers, LENGTH), "preferred_size": SIDE}
    nodes = [
        helper.make_node("Flatten", ["styles"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["x"]),
        helper.make_node("Add", ["x", "gray"], ["y"]),
        helper.make_node("Clip", ["y", "zero", "full"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Reshape", ["bytes", "shape"], ["drawn"]),
    ]
    constants = [
        constant("weights", np.resize(WEIGHTS, (layers * LENGTH, SIDE * SIDE * 3))), constant("gray", 128.0),
        constant("zero", 0.0), constant("full", 255.0), constant("shape", [-1, SIDE, SIDE, 3], np.int64),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info("styles", TensorProto.FLOAT, ["n", layers, LENGTH])]
    outputs = [helper.make_tensor_value_info("drawn", TensorProto.UINT8, ["n", SIDE, SIDE, 3])]
    return _saved(path, helper.make_graph(nodes, "synthesis", inputs, outputs, constants), values | contract)


def mapping(path: Path, mean: bool = True, **contract: Any) -> Path:
    """Every layer's style is the noise plus the mean."""
    values: dict[str, Any] = {"kind": "mapping", "latent_shape": (LENGTH,)}
    nodes = [
        helper.make_node("Add", ["noise", "middle"], ["w"]),
        helper.make_node("Unsqueeze", ["w", "axis"], ["one"]),
        helper.make_node("Tile", ["one", "times"], ["styles"]),
    ]
    outputs = [helper.make_tensor_value_info("styles", TensorProto.FLOAT, ["n", LAYERS, LENGTH])]
    if mean:
        nodes.append(helper.make_node("Identity", ["middle"], ["mean_style"]))
        outputs.append(helper.make_tensor_value_info("mean_style", TensorProto.FLOAT, [LENGTH]))
    constants = [
        constant("middle", MEAN), constant("axis", [1], np.int64), constant("times", [1, LAYERS, 1], np.int64),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["n", LENGTH])]
    return _saved(path, helper.make_graph(nodes, "mapping", inputs, outputs, constants), values | contract)


def pair(folder: Path, name: str = "face", **contract: Any) -> None:
    """NAME-mapping and NAME-synthesis in a folder."""
    mapping(folder / f"{name}-mapping.onnx")
    synthesis(folder / f"{name}-synthesis.onnx", **contract)


def _saved(path: Path, graph: onnx.GraphProto, contract: dict[str, Any]) -> Path:
    return write(path, graph, Contract(**{"name": path.stem, **contract}))

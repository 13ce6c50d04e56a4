"""Tiny samplers, built node by node: latents (N, D) float32 in, pictures (N, H, W, 3) uint8 out; and one in halves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from henshin.models import Contract
from support.onnx import constant, write

LENGTH, SIDE = 5, 8
BLOCKS = 3
"""Of the sampler in halves, each with two rows of w+."""


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
    return write(path, graph, Contract(**(values | contract)))


def turn() -> np.ndarray:
    """(LENGTH, LENGTH): what the mapping of `in_halves` does to noise."""
    return np.random.default_rng(9).normal(0, 1, (LENGTH, LENGTH)).astype(np.float32)


def layers() -> np.ndarray:
    """(2 * BLOCKS, LENGTH, SIDE * SIDE * 3): how much of each row of w+ goes into each value."""
    return np.random.default_rng(10).normal(0, 12, (2 * BLOCKS, LENGTH, SIDE * SIDE * 3)).astype(np.float32)


MEAN = np.linspace(-0.5, 0.5, LENGTH, dtype=np.float32)
"""The mean style of the mapping of `in_halves`."""


def expected_of_styles(styles: np.ndarray) -> np.ndarray:
    """What the synthesis of `in_halves` draws from w+ (L, D), by numpy alone."""
    values = sum(one @ weight for one, weight in zip(styles.astype(np.float32), layers(), strict=True)) + 128
    drawn: np.ndarray = np.rint(np.clip(values, 0, 255)).astype(np.uint8).reshape(SIDE, SIDE, 3)
    return drawn


def in_halves(folder: Path, name: str, shift: float = 0.0, config: dict[str, Any] | None = None) -> None:
    """Write NAME-mapping (w+: rows of noise @ turn) and NAME-synthesis (128 + shift + sum of w+[l] @ layers[l])."""
    rows = 2 * BLOCKS
    _half(
        folder / f"{name}-mapping.onnx",
        [
            helper.make_node("MatMul", ["latents", "turn"], ["w"]),
            helper.make_node("Unsqueeze", ["w", "axis"], ["one"]),
            helper.make_node("Tile", ["one", "times"], ["styles"]),
            helper.make_node("Identity", ["mean"], ["mean_style"]),
        ],
        [constant("turn", turn()), constant("axis", [1], np.int64), constant("times", [1, rows, 1], np.int64),
         constant("mean", MEAN)],
        ["n", LENGTH],
        [helper.make_tensor_value_info("styles", TensorProto.FLOAT, ["n", rows, LENGTH]),
         helper.make_tensor_value_info("mean_style", TensorProto.FLOAT, [LENGTH])],
        Contract(name=f"{name}-mapping", kind="mapping", part="mapping", latent_shape=(LENGTH,)),
    )  # fmt: skip
    _half(
        folder / f"{name}-synthesis.onnx",
        [
            helper.make_node("Reshape", ["latents", "flat"], ["long"]),
            helper.make_node("MatMul", ["long", "layers"], ["x"]),
            helper.make_node("Add", ["x", "gray"], ["y"]),
            helper.make_node("Clip", ["y", "zero", "full"], ["clipped"]),
            helper.make_node("Round", ["clipped"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
            helper.make_node("Reshape", ["bytes", "shape"], ["pictures_out"]),
        ],
        [constant("flat", [-1, rows * LENGTH], np.int64), constant("layers", layers().reshape(rows * LENGTH, -1)),
         constant("gray", 128.0 + shift), constant("zero", 0.0), constant("full", 255.0),
         constant("shape", [-1, SIDE, SIDE, 3], np.int64)],
        ["n", rows, LENGTH],
        [helper.make_tensor_value_info("pictures_out", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        Contract(name=f"{name}-synthesis", kind="synthesis", part="synthesis", latent_shape=(rows, LENGTH),
                 preferred_size=SIDE, config=config or {}),
    )  # fmt: skip


def _half(path: Path, nodes: Any, constants: Any, takes: Any, gives: Any, contract: Contract) -> None:
    graph = helper.make_graph(
        nodes, "half", [helper.make_tensor_value_info("latents", TensorProto.FLOAT, takes)], gives, constants
    )
    write(path, graph, contract)

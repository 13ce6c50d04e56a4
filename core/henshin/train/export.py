"""From a trained network to a model: uint8 in, uint8 out, with a contract, and checked against PyTorch or not written.

The exporter alone wraps a network: permute, scale, network, clamp, round. What stands in `exported/` therefore runs
with no Python code of ours around it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn

from henshin.errors import HenshinError
from henshin.generator import Generator
from henshin.models import METADATA_KEY, Contract
from henshin.runtime import Device, Network

OPSET = 20
INPUT, OUTPUT = "pictures", "pictures_out"


class Translator(nn.Module):
    """A float network behind uint8 pictures: (N, H, W, 3) uint8 RGB -> (N, H * scale, W * scale, 3) uint8 RGB."""

    def __init__(self, network: nn.Module, value_range: tuple[float, float], bgr: bool) -> None:
        super().__init__()
        self.network = network
        self.low, self.span = value_range[0], value_range[1] - value_range[0]
        self.bgr = bgr

    def forward(self, pictures: Tensor) -> Tensor:
        """Permute, scale, network, clamp, round."""
        x = pictures.permute(0, 3, 1, 2).to(torch.float32) * (self.span / 255) + self.low
        if self.bgr:
            x = x.flip(1)
        y = (self.network(x) - self.low) * (255 / self.span)
        if self.bgr:
            y = y.flip(1)
        drawn: Tensor = y.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return drawn


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported: the generator, its trained network, and what is to be said of them."""

    generator: Generator[Any]
    network: nn.Module
    preferred_size: int | None
    origin: str
    data: str
    licence: str
    description: str = ""


def export(
    source: Source, path: Path, pictures: Sequence[np.ndarray], *, fp16: bool = False, weights: bool = False
) -> Contract:
    """Write `path` (and `.safetensors` beside it with `weights`), if it draws `pictures` as PyTorch does.

    `pictures` are real ones, (H, W, 3) uint8, on which parity is checked at two sizes and two batch sizes. `fp16`
    stores the weights in half the space; the arithmetic stays fp32, and parity is that of the rounded weights.
    Errors: HenshinError, with nothing written, when a value differs by more than one grey level.
    """
    if source.generator.kind != "translator":
        raise HenshinError(
            f"'{source.generator.name}' is a {source.generator.kind}; only translators are exported so far"
        )
    network = source.network.eval().cpu().float()
    if fp16:
        rounded(network)
    wrapped = Translator(network, source.generator.value_range, source.generator.channel_order == "BGR").eval()
    contract = describe(source, path.stem, network)
    with tempfile.TemporaryDirectory() as folder:
        side = Path(folder) / "model.onnx"
        write_graph(wrapped, side, source.generator.size_multiple, contract, fp16)
        check_parity(wrapped, side, pictures, source.generator.size_multiple, source.preferred_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrived = [(path.with_suffix(".onnx.part"), path)]
        shutil.copyfile(side, arrived[0][0])
        if weights:
            arrived.append((path.with_suffix(".safetensors.part"), path.with_suffix(".safetensors")))
            tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
            save_file(tensors, arrived[1][0], {METADATA_KEY: contract.to_json()})
            shutil.copymode(arrived[0][0], arrived[1][0])  # safetensors makes files that only their owner can read
        for part, whole in arrived:
            part.replace(whole)
    return contract


def describe(source: Source, name: str, network: nn.Module) -> Contract:
    """The contract of a model: all that its generator says of itself, and where it comes from."""
    g = source.generator
    return Contract(
        name=name,
        generator=g.name,
        config=g.config.model_dump(mode="json"),
        kind=g.kind,
        value_range=g.value_range,
        channel_order=g.channel_order,
        size_multiple=g.size_multiple,
        scale=g.scale,
        reach=g.reach,
        maximum_size=g.maximum_size,
        preferred_size=source.preferred_size,
        latent_shape=g.latent_shape,
        description=source.description,
        origin=source.origin,
        data=source.data,
        licence=source.licence,
        weights_sha256=hash_of(network),
    )


def hash_of(network: nn.Module) -> str:
    """SHA-256 over the names and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def rounded(network: nn.Module) -> None:
    """Round every weight to what fp16 can hold. Errors: HenshinError for a weight beyond its range."""
    for name, parameter in network.named_parameters():
        half = parameter.half()
        if not torch.isfinite(half).all():
            raise HenshinError(f"weight '{name}' does not fit into fp16; export without --fp16")
        parameter.copy_(half.float())


def write_graph(wrapped: nn.Module, path: Path, multiple: int, contract: Contract, fp16: bool) -> None:
    """Export with dynamic batch, height and width, and put the contract into the metadata."""
    example = torch.zeros((2, 8 * multiple, 12 * multiple, 3), dtype=torch.uint8)
    height, width = torch.export.Dim("h", min=1), torch.export.Dim("w", min=1)
    shape = {0: torch.export.Dim("n", min=1), 1: multiple * height, 2: multiple * width}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(shape,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    name_dimensions(model)
    if fp16:
        halve(model)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, contract.to_json()
    onnx.save(model, path)


def name_dimensions(model: onnx.ModelProto) -> None:
    """Call the dynamic dimensions by what they are, not by the expressions of the tracer."""
    for port in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(port.type.tensor_type.shape.dim, ("n", "h", "w"), strict=False):
            dimension.dim_param = f"{port.name}_{name}" if port.name == OUTPUT else name


def halve(model: onnx.ModelProto) -> None:
    """Store large fp32 weights as fp16 behind a Cast, which ONNX Runtime folds when it loads the model."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 64:
            continue
        name = weight.name
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}_fp16")
        weight.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)


@torch.inference_mode()
def check_parity(
    wrapped: nn.Module, path: Path, pictures: Sequence[np.ndarray], multiple: int, preferred: int | None
) -> None:
    """Compare ONNX Runtime with PyTorch on pictures, at two sizes and two batch sizes; at most one grey level apart.

    One of the sizes is the preferred one, up to 256 px.
    """
    if not pictures:
        raise HenshinError("parity cannot be checked without a picture; give some with --pictures FOLDER")
    network = Network(path, Device("cpu"))
    for batch in batches(pictures, multiple, preferred):
        expected = wrapped(torch.from_numpy(batch)).numpy()
        got = network.run({INPUT: batch})[OUTPUT]
        apart = int(np.abs(expected.astype(np.int16) - got).max())
        if apart > 1:
            count, height, width = batch.shape[:3]
            raise HenshinError(
                f"the exported model differs from PyTorch by {apart} grey levels on {count} pictures of "
                f"{width}x{height}; nothing was written"
            )


def batches(pictures: Sequence[np.ndarray], multiple: int, preferred: int | None) -> list[np.ndarray]:
    """One picture alone and two together, at two sizes that the network can take; the second is not square."""
    small, side = ((side + multiple - 1) // multiple * multiple for side in (64, min(preferred or 96, 256)))
    other = small if small != side else side + multiple
    found = []
    for count, (height, width) in ((1, (side, side)), (2, (other, side))):
        chosen = [cut(pictures[i % len(pictures)], height, width) for i in range(count)]
        found.append(np.stack(chosen))
    return found


def cut(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture at this size, by resampling."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))

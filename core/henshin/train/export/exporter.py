"""From a trained network to a model: uint8 in, uint8 out, with a contract, and checked against PyTorch or not written.

The exporter alone wraps a network: permute, scale, network, clamp, round (of a sampler only what follows the network,
for it takes noise as it is). What stands in `exported/` therefore runs
with no Python code of ours around it.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from henshin.api.generator import Generator
from henshin.errors import HenshinError
from henshin.files import sweep, write_atomic
from henshin.models import METADATA_KEY, Contract
from henshin.models.contract import Kind
from henshin.text import one_line, with_article
from henshin.train.export.latent_parts import (
    MappingWrapper,
    check_latents,
    latent_shape_of,
    part_of,
    side_seen,
    trials_of,
)
from henshin.train.export.onnx_graph import write_graph
from henshin.train.export.parity import Parity, check_parity, picture_trials, square_trials
from henshin.train.weights.trained_network import hash_of, weights_path

if TYPE_CHECKING:
    from henshin.train.weights.trained_network import TrainedNetwork


class TranslatorWrapper(nn.Module):
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
        return self.shown(self.network(x))

    def shown(self, y: Tensor) -> Tensor:
        """What a network gave, (N, 3, H, W) in its range, as pictures (N, H, W, 3) uint8 RGB."""
        y = (y - self.low) * (255 / self.span)
        if self.bgr:
            y = y.flip(1)
        return y.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)


class EncoderWrapper(TranslatorWrapper):
    """A float network behind square uint8 pictures: (N, S, S, 3) uint8 RGB -> latents (N, L, D), fp32."""

    def shown(self, y: Tensor) -> Tensor:
        """What the network gave."""
        return y


class SamplerWrapper(TranslatorWrapper):
    """A float network before which stands nothing: latents (N, *latent_shape) float32 -> (N, H, W, 3) uint8 RGB."""

    def forward(self, latents: Tensor) -> Tensor:
        """Network, scale, clamp, round."""
        return self.shown(self.network(latents))


def export(
    source: TrainedNetwork,
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fp16: bool = False,
    weights: bool = False,
    tell: Callable[[Parity], None] | None = None,
) -> Contract:
    """Write `path` (and `.safetensors` beside it with `weights`), if it draws what PyTorch draws.

    Translators are checked on `pictures`, (H, W, 3) uint8, at two sizes and two batch sizes, encoders on squares of
    them; samplers on noise. `fp16` stores the weights in half the space; the arithmetic stays fp32, and parity is
    that of the rounded weights. `tell` is told how far the two are apart.
    Errors: HenshinError, with nothing written, when a value differs by more than one grey level, or a latent's by
    more than `parity.STYLES`.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = export_checked(source, path.stem, Path(folder) / "model.onnx", pictures, fp16)
        install({path: made}, weights)
    if tell is not None:
        tell(made.parity)
    return made.contract


@dataclass(frozen=True, slots=True, eq=False)
class CheckedModel:
    """A model that has passed its check and is not in its place yet: the file, what it says, what it was made of.

    `whole` is what the weights say of themselves, which are always those of the whole network.
    """

    file: Path
    contract: Contract
    parity: Parity
    network: nn.Module
    whole: Contract


def export_checked(
    source: TrainedNetwork, name: str, side: Path, pictures: Sequence[np.ndarray], fp16: bool = False
) -> CheckedModel:
    """Export to the file `side` a model that calls itself `name`, and check it. Errors: those of `export`."""
    generator, part = source.generator, source.part
    network = source.network.eval().cpu().float()
    drawing = network
    if fp16:
        drawing = fold_batch_norm(network)
        round_to_fp16(drawing)
    wrapped = wrapped_part(generator, drawing, part)
    shape = None if generator.kind == "translator" else latent_shape_of(generator, drawing, part)
    size = None
    if generator.kind == "encoder":
        size = side_seen(source)
        check_latents(wrapped, generator.name, size, shape)
    elif shape is not None and part != "mapping":
        size = size_drawn(wrapped, generator.name, shape)
    contract = describe(source, name, network, size, shape)
    write_graph(wrapped, side, contract, fp16)
    if generator.kind == "encoder":
        trials = square_trials(pictures, size or 0)
    elif shape is None:
        trials = picture_trials(pictures, generator.size_multiple, source.preferred_size)
    else:
        trials = trials_of(generator, drawing, part)
    whole = describe(replace(source, part=""), weights_path(side.with_stem(name), part).stem, network, size)
    return CheckedModel(side, contract, check_parity(wrapped, side, list(trials), fp16), network, whole)


def wrapped_part(generator: Generator[Any], network: nn.Module, part: str) -> nn.Module:
    """A network, or one part of it, as it is exported. Errors: HenshinError for a kind that cannot be."""
    if part == "mapping":
        return MappingWrapper(part_of(generator, network, part)).eval()
    kinds = {"translator": TranslatorWrapper, "sampler": SamplerWrapper, "encoder": EncoderWrapper}
    if generator.kind not in kinds or part not in ("", "synthesis"):
        what = f"has a part '{part}'" if part else f"is {with_article(generator.kind)}"
        raise HenshinError(
            f"'{generator.name}' {what}; translators, samplers and encoders are exported, and the parts mapping and "
            "synthesis"
        )
    drawing = part_of(generator, network, part) if part else network
    return kinds[generator.kind](drawing, generator.value_range, generator.channel_order == "BGR").eval()


def install(
    models: Mapping[Path, CheckedModel], weights: bool = False, enter: Callable[[], None] | None = None
) -> None:
    """Copy finished models to their paths, each with its weights beside it if wanted: all are whole, or none is there.

    Of a network of two parts the weights are always there, NAME.safetensors beside both: what mixes or inverts such
    networks rebuilds them.

    `enter` is called when all are copied to the side and before the first takes its name; an error of it is an end.
    Errors: HenshinError when they cannot be written.
    """
    where, saved = next(iter(models)).parent, set[Path]()
    try:
        with ExitStack() as parts:
            for path, made in models.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                sweep(path.parent)
                where = path
                part = parts.enter_context(write_atomic(path))
                shutil.copyfile(made.file, part)
                file = weights_path(path, made.contract.part)
                if (weights or made.contract.part) and file not in saved:
                    saved.add(file)
                    where = file
                    _save_weights(made, parts.enter_context(write_atomic(file)), part)
            if enter is not None:
                enter()
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise HenshinError(f"{where}: cannot be written: {reason}") from error


def _save_weights(made: CheckedModel, file: Path, model: Path) -> None:
    """Write the weights of a whole network, to be read by those who may read its model. Errors: OSError."""
    tensors = {name: tensor.contiguous() for name, tensor in made.network.state_dict().items()}
    save_file(tensors, file, {METADATA_KEY: made.whole.to_json()})
    shutil.copymode(model, file)  # safetensors makes files that only their owner can read


@torch.inference_mode()
def size_drawn(wrapped: nn.Module, name: str, shape: tuple[int, ...]) -> int:
    """Side of the pictures that a sampler draws. Errors: HenshinError when it draws none."""
    drawn = wrapped(torch.zeros(2, *shape))
    if drawn.ndim != 4 or drawn.shape[0] != 2 or drawn.shape[3] != 3:
        raise HenshinError(f"'{name}' turns two latents into {tuple(drawn.shape)}, which is no two pictures")
    return int(max(drawn.shape[1:3]))


def describe(
    source: TrainedNetwork,
    name: str,
    network: nn.Module,
    drawn: int | None = None,
    latents: tuple[int, ...] | None = None,
) -> Contract:
    """The contract of a model: all that its generator says of itself, and where it comes from.

    `drawn` is the size of a sampler's pictures, which is the only one it has; `latents` the shape of what a part takes.
    """
    g = source.generator
    kinds: dict[str, Kind] = {"mapping": "mapping", "synthesis": "synthesis"}
    return Contract(
        name=name,
        generator=g.name,
        config=g.config.model_dump(mode="json"),
        part=source.part,
        kind=kinds.get(source.part, g.kind),
        value_range=g.value_range,
        channel_order=g.channel_order,
        size_multiple=g.size_multiple,
        scale=g.scale,
        reach=g.reach,
        maximum_size=g.maximum_size,
        preferred_size=drawn or source.preferred_size,
        latent_shape=latents or g.latent_shape,
        description=source.description,
        origin=source.origin,
        data=source.data,
        licence=source.licence,
        weights_sha256=hash_of(network),
    )


@torch.no_grad()
def round_to_fp16(network: nn.Module) -> None:
    """Round every weight to what fp16 can hold. Errors: HenshinError for a weight beyond its range."""
    for name, parameter in network.named_parameters():
        half = parameter.half()
        if not torch.isfinite(half).all():
            raise HenshinError(f"weight '{name}' does not fit into fp16; export without --fp16")
        parameter.copy_(half.float())


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy with each batch norm that follows a convolution in a Sequential made part of it, or the network itself.

    PyTorch's exporter does this too, after which the weights are no longer those that were rounded.
    """
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
        return network
    network = copy.deepcopy(network)
    for parent in network.modules():
        if isinstance(parent, nn.Sequential):
            for i, (layer, norm) in enumerate(pairwise(list(parent))):
                if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                    parent[i] = fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose2d))
                    parent[i + 1] = nn.Identity()
    return network

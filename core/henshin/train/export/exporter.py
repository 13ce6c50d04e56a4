"""Export of a trained network to an ONNX model, uint8 in and uint8 out, with a contract and a parity check.

The wrapper around a network is part of the model: permute, scale, network, clamp, round; of a sampler, whose input is
noise, only the last two. A model therefore needs no code of this project to run.
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
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from henshin.api.generator import Generator
from henshin.errors import HenshinError
from henshin.files import sweep, write_atomic
from henshin.images.measures.spectra import Pattern
from henshin.models import METADATA_KEY, Contract
from henshin.models.contract import Kind
from henshin.text import one_line, with_article
from henshin.train.export.checkerboard import drawn_patterns
from henshin.train.export.latent_parts import (
    MappingWrapper,
    check_latents,
    encoder_size,
    latent_shape_of,
    latent_trials,
    part_of,
)
from henshin.train.export.onnx_graph import write_graph
from henshin.train.export.parity import Parity, check_parity, picture_trials, square_trials
from henshin.train.export.storage import Storage, round_weights
from henshin.train.weights.trained_network import TrainedNetwork, hash_of, weights_path


class TranslatorWrapper(nn.Module):
    """A translator with uint8 pictures: (N, H, W, 3) uint8 RGB -> (N, H * scale, W * scale, 3) uint8 RGB."""

    def __init__(self, network: nn.Module, value_range: tuple[float, float], bgr: bool) -> None:
        super().__init__()
        self.network = network
        self.low, self.span = value_range[0], value_range[1] - value_range[0]
        self.bgr = bgr

    def forward(self, pictures: Tensor) -> Tensor:
        """Return translated pictures: permute, scale, network, clamp, round."""
        x = pictures.permute(0, 3, 1, 2).to(torch.float32) * (self.span / 255) + self.low
        if self.bgr:
            x = x.flip(1)
        return self.postprocess(self.network(x))

    def postprocess(self, y: Tensor) -> Tensor:
        """Return the output of a network, (N, 3, H, W) in its range, as pictures (N, H, W, 3) uint8 RGB."""
        y = (y - self.low) * (255 / self.span)
        if self.bgr:
            y = y.flip(1)
        return y.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)


class EncoderWrapper(TranslatorWrapper):
    """An encoder of square uint8 pictures: (N, S, S, 3) uint8 RGB -> latents (N, L, D), fp32."""

    def postprocess(self, y: Tensor) -> Tensor:
        """Return the latents as they are."""
        return y


class SamplerWrapper(TranslatorWrapper):
    """A sampler with uint8 pictures: latents (N, *latent_shape) float32 -> (N, H, W, 3) uint8 RGB."""

    def forward(self, latents: Tensor) -> Tensor:
        """Return sampled pictures: network, scale, clamp, round."""
        return self.postprocess(self.network(latents))


def export(
    source: TrainedNetwork,
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    storage: Storage = "fp32",
    weights: bool = False,
    report: Callable[[Parity], None] | None = None,
) -> Contract:
    """Export to `path` (with `weights` also to a `.safetensors` next to it) a model whose output equals PyTorch's.

    Translators are checked on `pictures`, (H, W, 3) uint8, at two sizes and two batch sizes, encoders on squares of
    them; samplers on noise. `storage` is that of the weights in the file; the arithmetic stays fp32, and
    parity is that of the rounded weights. `report` is called with the parity.
    Errors: HenshinError, with nothing written, when a value differs by more than one grey level, or a latent's by
    more than `parity.STYLES`.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = export_checked(source, path.stem, Path(folder) / "model.onnx", pictures, storage)
        install({path: model}, weights)
    if report is not None:
        report(model.parity)
    return model.contract


@dataclass(frozen=True, slots=True, eq=False)
class CheckedModel:
    """A model that passed the parity check and is not installed yet: its temporary file, contract and network.

    `whole` is the contract of the weights, which are always those of the whole network; `patterns` are the regular ones
    in what it draws.
    """

    file: Path
    contract: Contract
    parity: Parity
    network: nn.Module
    whole: Contract
    patterns: Sequence[Pattern] = ()


def export_checked(
    source: TrainedNetwork, name: str, file: Path, pictures: Sequence[np.ndarray], storage: Storage = "fp32"
) -> CheckedModel:
    """Export a model of this name to a temporary file, and check it. Errors: those of `export`."""
    generator, part = source.generator, source.part
    network = source.network.eval().cpu().float()
    exported = network
    if storage != "fp32":
        exported = fold_batch_norm(network)
        exported = copy.deepcopy(exported) if storage == "int8" else exported
        round_weights(exported, storage)
    wrapped = wrap_part(generator, exported, part)
    shape = None if generator.kind == "translator" else latent_shape_of(generator, exported, part)
    size = None
    if generator.kind == "encoder":
        size = encoder_size(source)
        check_latents(wrapped, generator.name, size, shape)
    elif shape is not None and part != "mapping":
        size = sampled_size(wrapped, generator.name, shape)
    contract = describe(source, name, network, size, shape)
    write_graph(wrapped, file, contract, storage)
    if generator.kind == "encoder":
        trials = square_trials(pictures, size or 0)
    elif shape is None:
        trials = picture_trials(pictures, generator.size_multiple, source.preferred_size)
    else:
        trials = latent_trials(generator, exported, part)
    whole = describe(replace(source, part=""), weights_path(file.with_stem(name), part).stem, network, size)
    parity = check_parity(wrapped, file, list(trials), storage)
    return CheckedModel(file, contract, parity, network, whole, drawn_patterns(wrapped, contract, pictures))


def wrap_part(generator: Generator[Any], network: nn.Module, part: str) -> nn.Module:
    """Return a network, or one part of it, in its wrapper. Errors: HenshinError for kinds that are not exported."""
    if part == "mapping":
        return MappingWrapper(part_of(generator, network, part)).eval()
    kinds = {"translator": TranslatorWrapper, "sampler": SamplerWrapper, "encoder": EncoderWrapper}
    if generator.kind not in kinds or part not in ("", "synthesis"):
        what = f"has a part '{part}'" if part else f"is {with_article(generator.kind)}"
        raise HenshinError(
            f"'{generator.name}' {what}; translators, samplers and encoders are exported, and the parts mapping and "
            "synthesis"
        )
    inner = part_of(generator, network, part) if part else network
    return kinds[generator.kind](inner, generator.value_range, generator.channel_order == "BGR").eval()


def install(
    models: Mapping[Path, CheckedModel], weights: bool = False, before_rename: Callable[[], None] | None = None
) -> None:
    """Copy checked models to their paths, all or none; with `weights` each with a .safetensors file next to it.

    Models of the parts of one network always have this file, because inversion and blending build the network again.

    `before_rename` is called when all temporary copies are complete; nothing is renamed after an error of it.
    Errors: HenshinError when they cannot be written.
    """
    where, saved = next(iter(models)).parent, set[Path]()
    try:
        with ExitStack() as parts:
            for path, model in models.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                sweep(path.parent)
                where = path
                part = parts.enter_context(write_atomic(path))
                shutil.copyfile(model.file, part)
                file = weights_path(path, model.contract.part)
                if (weights or model.contract.part) and file not in saved:
                    saved.add(file)
                    where = file
                    _save_weights(model, parts.enter_context(write_atomic(file)), part)
            if before_rename is not None:
                before_rename()
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise HenshinError(f"{where}: cannot be written: {reason}") from error


def _save_weights(model: CheckedModel, file: Path, model_file: Path) -> None:
    """Write the weights of the whole network with the permissions of its model. Errors: OSError."""
    tensors = {name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    save_file(tensors, file, {METADATA_KEY: model.whole.to_json()})
    shutil.copymode(model_file, file)  # safetensors makes files that only their owner can read


@torch.inference_mode()
def sampled_size(wrapped: nn.Module, name: str, shape: tuple[int, ...]) -> int:
    """Return the side of a sampler's pictures. Errors: HenshinError when its output is not pictures."""
    pictures = wrapped(torch.zeros(2, *shape))
    if pictures.ndim != 4 or pictures.shape[0] != 2 or pictures.shape[3] != 3:
        raise HenshinError(f"'{name}' turns two latents into {tuple(pictures.shape)}, which is no two pictures")
    return int(max(pictures.shape[1:3]))


def describe(
    source: TrainedNetwork,
    name: str,
    network: nn.Module,
    size: int | None = None,
    latents: tuple[int, ...] | None = None,
) -> Contract:
    """Return the contract of a model, from its generator and the statements of `source`.

    `size` is the only size of a sampler's or encoder's pictures, `latents` the shape of a part's input.
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
        preferred_size=size or source.preferred_size,
        latent_shape=latents or g.latent_shape,
        description=source.description,
        origin=source.origin,
        data=source.data,
        licence=source.licence,
        evaluation=source.evaluation,
        weights_sha256=hash_of(network),
    )


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy with batch norms folded into the convolutions before them in a Sequential, or the network itself.

    PyTorch's exporter folds them too; after rounding, the folded weights would no longer be representable.
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

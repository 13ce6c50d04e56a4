"""CARN and CARN-M: residual networks with local and global cascading (Ahn, Kang, Sohn, ECCV 2018)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from henshin.errors import WrongWeightsError
from henshin.train.weights import canonicalize_state_dict, state_dict_mismatch

MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K, subtracted from pictures in [0, 1] before the network and added after it."""


def convolution(before: int, after: int, group: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size, with zero padding."""
    return nn.Conv2d(before, after, 3, padding=1, groups=group)


class CarnResidual(nn.Module):
    """Two 3x3 convolutions with a skip connection; a 1x1 one mixes the groups (the paper's efficient block)."""

    def __init__(self, width: int, group: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(width, width, group), nn.ReLU(), convolution(width, width, group)]
        if group > 1:
            layers += [nn.ReLU(), nn.Conv2d(width, width, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        return torch.relu(self.body(x) + x)


class CascadingBlock(nn.Module):
    """Three blocks, each followed by a 1x1 convolution of the input and all outputs so far.

    The paper cascades twice: residual blocks inside a block (local), and three such blocks in the network (global).
    A single block is used three times (the paper's recursion).
    """

    def __init__(self, width: int, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.fusions = nn.ModuleList(nn.Sequential(nn.Conv2d(width * n, width, 1), nn.ReLU()) for n in (2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        outputs = x
        for i, fusion in enumerate(self.fusions):
            outputs = torch.cat([outputs, self.blocks[i % len(self.blocks)](x)], 1)
            x = fusion(outputs)
        return x


def local(width: int, group: int, recursive: bool) -> CascadingBlock:
    """Return a cascading block of residual blocks."""
    return CascadingBlock(width, [CarnResidual(width, group) for _ in range(1 if recursive else 3)])


def enlargement(width: int, scale: int, group: int) -> nn.Sequential:
    """Return sub-pixel convolutions (Shi et al. 2016): x2 or x3 at once, x4 in two steps of x2."""
    layers: list[nn.Module] = []
    for factor in (3,) if scale == 3 else (2,) * (scale // 2):
        layers += [convolution(width, width * factor**2, group), nn.ReLU(), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


class CarnNetwork(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1] -> (N, 3, H * scale, W * scale); scales share all layers but the upsampling."""

    mean: Tensor

    def __init__(
        self, width: int = 64, group: int = 1, recursive: bool = False, scales: Sequence[int] = (2, 3, 4)
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.entry = convolution(3, width)
        self.body = CascadingBlock(width, [local(width, group, recursive) for _ in range(3)])
        self.enlarge = nn.ModuleDict({f"x{scale}": enlargement(width, scale, group) for scale in self.scales})
        self.exit = convolution(width, 3)

    def forward(self, pictures: Tensor, scale: int | None = None) -> Tensor:
        """Enlarge by `scale`, one of `scales`; by default the first of them."""
        x = self.body(self.entry(pictures - self.mean))
        enlarged = self.enlarge[f"x{scale or self.scales[0]}"](x)
        output: Tensor = self.exit(enlarged) + self.mean
        return output


_LAYERS = re.compile(
    r"entry|exit|(sub|add)_mean\.shifter|(b[1-3]\.)?c[1-3]\.body\.0|b[1-3]\.b[1-3]\.body\.[024]|upsample\.up[234]?\.body\.[03]"
)
"""The layers of the authors' networks, by their names."""


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return options and our tensors for weights in the layout of the authors' PyTorch code; None for others.

    There the mean is a 1x1 convolution before the network and another after it. The options are those of the majority
    of tensors, so that a tensor that is missing or of another shape can be named.
    Errors: WrongWeightsError when most names are CARN's, but some tensors are missing, too many or of another shape.
    """
    tensors = canonicalize_state_dict(tensors)
    known = {name: tensor for name, tensor in tensors.items() if _LAYERS.fullmatch(name.rpartition(".")[0])}
    if len(known) < 0.75 * max(len(tensors), _FEWEST):
        return None
    options = _options(known)
    network = CarnNetwork(**options)
    published = {
        name: _published_name(name, len(options["scales"]) == 1 and _single(known)) for name in network.state_dict()
    }
    del published["mean"]
    state = network.state_dict()
    expected = {**{published[name]: state[name] for name in published}, **_shifts(network.mean)}
    problem = state_dict_mismatch(expected, tensors, "CARN")
    if problem is None and not all(
        torch.equal(tensors[f"{side}_mean.shifter.weight"].flatten(1), torch.eye(3)) for side in ("sub", "add")
    ):
        problem = "sub_mean and add_mean mix colours, and CARN's take away and add one mean"
    if problem is None and not torch.allclose(tensors["sub_mean.shifter.bias"], -tensors["add_mean.shifter.bias"]):
        problem = "sub_mean takes away another colour than add_mean adds, and CARN's are the same"
    if problem is not None:
        raise WrongWeightsError(problem)
    mean = tensors["add_mean.shifter.bias"].view(3, 1, 1)
    return options, {"mean": mean, **{ours: tensors[name] for ours, name in published.items()}}


_FEWEST = 52
"""Number of tensors of the smallest of these networks: recursive, with groups, one scale."""


def _options(known: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return width, group, recursion and scales, each from the majority of the tensors that depend on it."""
    biases = [
        len(tensor) for name, tensor in known.items() if re.search(r"(b|c)\d\.body\.\d\.bias$", name) and tensor.ndim
    ]
    inner = [
        tensor.shape[1]
        for name, tensor in known.items()
        if re.search(r"b\d\.body\.[02]\.weight$", name) and tensor.ndim > 1
    ]
    width = _commonest(biases) or 64
    group = width // (_commonest(inner) or width)
    recursive = not any(re.match(r"b\d\.b[23]\.", name) for name in known)
    if _single(known):
        last = known.get("upsample.up.body.0.weight")
        scales = [3] if last is not None and last.ndim and len(last) == 9 * width else [2]
        scales = [4] if any(name.startswith("upsample.up.body.3.") for name in known) else scales
    else:
        scales = [scale for scale in (2, 3, 4) if any(name.startswith(f"upsample.up{scale}.") for name in known)]
    if width % max(group, 1) or not group or not scales:
        raise WrongWeightsError(
            f"is almost CARN, but of no such width ({width}), groups ({group}) or scales ({scales})"
        )
    return {"width": width, "group": group, "recursive": recursive, "scales": scales}


def _commonest(values: Sequence[int]) -> int:
    return Counter(values).most_common(1)[0][0] if values else 0


def _single(known: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("upsample.up.") for name in known)


def _shifts(mean: Tensor) -> dict[str, Tensor]:
    """Return the tensors that the authors' networks have in place of the mean."""
    return {
        f"{side}_mean.shifter.{kind}": torch.eye(3).view(3, 3, 1, 1) if kind == "weight" else mean.flatten()
        for side in ("sub", "add")
        for kind in ("weight", "bias")
    }


def _published_name(name: str, single: bool) -> str:
    """Return the authors' name of our tensor: `body.blocks.1.fusions.0.0.weight` -> `b2.c1.body.0.weight`."""
    layer, _, kind = name.rpartition(".")
    if match := re.fullmatch(r"body\.blocks\.(\d)\.blocks\.(\d)\.body\.(\d)", layer):
        return f"b{int(match[1]) + 1}.b{int(match[2]) + 1}.body.{match[3]}.{kind}"
    if match := re.fullmatch(r"body\.blocks\.(\d)\.fusions\.(\d)\.0", layer):
        return f"b{int(match[1]) + 1}.c{int(match[2]) + 1}.body.0.{kind}"
    if match := re.fullmatch(r"body\.fusions\.(\d)\.0", layer):
        return f"c{int(match[1]) + 1}.body.0.{kind}"
    if match := re.fullmatch(r"enlarge\.x(\d)\.(\d)", layer):
        return f"upsample.up{'' if single else match[1]}.body.{match[2]}.{kind}"
    return name

"""The generator and the discriminator of CartoonGAN (Chen, Lai, Liu, CVPR 2018), and the names of published weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from henshin.train.networks import Norm, initialise

Upsample = Literal["transposed", "resize"]
Borders = Literal["reflect", "zeros"]
Output = Literal["tanh", "linear"]


class CartoonGenerator(nn.Module):
    """7x7-width, two halvings, `blocks` residual blocks, two doublings, 7x7-3: the paper's figure 2.

    A halving is 3x3 with stride 2 and then 3x3, a doubling a transposed 3x3 and then 3x3, each pair with one affine
    instance norm and ReLU behind it. The 7x7 and the residual layers have reflection padding, the halvings and
    doublings that of `borders`. 11.130 M parameters at width 64 with 8 blocks.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 8,
        upsample: Upsample = "transposed",
        output: Output = "tanh",
        borders: Borders = "reflect",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()

        def norm(channels: int) -> nn.Module:
            return nn.InstanceNorm2d(channels, epsilon, affine=True)

        def ended(*layers: nn.Module, channels: int) -> nn.Module:
            return nn.Sequential(*layers, norm(channels), nn.ReLU(inplace=True))

        def halved(before: int, after: int) -> nn.Module:
            strided = nn.Conv2d(before, after, 3, 2, 1, padding_mode=borders)
            return ended(strided, nn.Conv2d(after, after, 3, 1, 1, padding_mode=borders), channels=after)

        def doubled(before: int, after: int) -> nn.Module:
            enlarged: nn.Module = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1)
            if upsample == "resize":
                narrowed = nn.Conv2d(before, after, 3, 1, 1, padding_mode=borders)
                enlarged = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), narrowed)
            return ended(enlarged, nn.Conv2d(after, after, 3, 1, 1, padding_mode=borders), channels=after)

        self.first = ended(nn.Conv2d(3, width, 7, 1, 3, padding_mode="reflect"), channels=width)
        self.down = nn.Sequential(halved(width, 2 * width), halved(2 * width, 4 * width))
        self.residual = nn.Sequential(*(CartoonResidual(4 * width, epsilon) for _ in range(blocks)))
        self.up = nn.Sequential(doubled(4 * width, 2 * width), doubled(2 * width, width))
        last = nn.Conv2d(width, 3, 7, 1, 3, padding_mode="reflect")
        self.last = nn.Sequential(last, nn.Tanh() if output == "tanh" else nn.Identity())
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [-1, 1] -> the same; H and W multiples of 4, at least 8."""
        output: Tensor = self.last(self.up(self.residual(self.down(self.first(pictures)))))
        return output


class CartoonResidual(nn.Module):
    """x + F(x), F two 3x3 convolutions with affine instance norm, a ReLU between them."""

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels, epsilon, affine=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels, epsilon, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        total: Tensor = x + self.body(x)
        return total


class CartoonDiscriminator(nn.Module):
    """Seven 3x3 convolutions, two of them with stride 2: one score for each 4x4 pixels, of a receptive field of 37x37.

    Local edges and flat areas are what distinguishes a cartoon, so a small field suffices.

    width; 2 width (stride 2), 4 width; 4 width (stride 2), 8 width; 8 width; 1. Leaky ReLU 0.2; a norm after the
    third, fifth and sixth. `norm` "spectral" bounds every convolution instead (Miyato et al. 2018).
    """

    def __init__(self, width: int = 32, norm: Norm = "instance") -> None:
        super().__init__()
        w = width
        table = [
            (3, w, 1, False),
            (w, 2 * w, 2, False),
            (2 * w, 4 * w, 1, True),
            (4 * w, 4 * w, 2, False),
            (4 * w, 8 * w, 1, True),
            (8 * w, 8 * w, 1, True),
        ]
        body: list[nn.Module] = []
        for before, after, stride, normed in table:
            body.append(_discriminator_block(before, after, stride, norm))
            if normed and norm == "instance":
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*body, _discriminator_block(8 * w, 1, 1, norm))

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> scores (N, 1, H / 4, W / 4), before any sigmoid."""
        scores: Tensor = self.body(pictures)
        return scores


def _discriminator_block(before: int, after: int, stride: int, norm: Norm) -> nn.Module:
    convolution = nn.Conv2d(before, after, 3, stride, 1)
    initialise(convolution)
    wrapped: nn.Module = spectral_norm(convolution) if norm == "spectral" else convolution
    return wrapped


def recognised(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return options and our tensors for weights in the layout of the authors' networks, or None for another layout.

    The authors' channel order is BGR: the first and the last layer are flipped to RGB.
    """
    blocks = sum(name.startswith("conv") and name.endswith("_1.weight") for name in tensors) - 3
    names = dict(published_names(max(blocks, 0)))
    if blocks < 0 or set(names) != set(tensors):
        return None
    ours = {names[name]: tensor for name, tensor in tensors.items()}
    if ours["first.0.weight"].shape[1:] != (3, 7, 7) or ours["last.0.weight"].shape[0] != 3:
        return None
    ours["first.0.weight"] = ours["first.0.weight"].flip(1)
    for name in ("last.0.weight", "last.0.bias"):
        ours[name] = ours[name].flip(0)
    width = len(ours["first.0.bias"])
    return {"width": width, "blocks": blocks, "borders": "zeros", "epsilon": 1e-9}, ours


def published_names(blocks: int) -> Iterator[tuple[str, str]]:
    """Yield (published name, our name): layers are counted from conv01 on, doublings are deconv01 and deconv02."""

    def layer(theirs: str, ours: str, kind: str) -> Iterator[tuple[str, str]]:
        kinds = {"weight": "weight", "bias": "bias"} if kind == "conv" else {"scale": "weight", "shift": "bias"}
        for their, our in kinds.items():
            yield f"{theirs}.{their}", f"{ours}.{our}"

    yield from layer("conv01_1", "first.0", "conv")
    yield from layer("in01_1", "first.1", "norm")
    for i in range(2):
        yield from layer(f"conv{i + 2:02d}_1", f"down.{i}.0", "conv")
        yield from layer(f"conv{i + 2:02d}_2", f"down.{i}.1", "conv")
        yield from layer(f"in{i + 2:02d}_1", f"down.{i}.2", "norm")
    for i in range(blocks):
        for half in (0, 1):
            yield from layer(f"conv{i + 4:02d}_{half + 1}", f"residual.{i}.body.{3 * half}", "conv")
            yield from layer(f"in{i + 4:02d}_{half + 1}", f"residual.{i}.body.{3 * half + 1}", "norm")
    for i in range(2):
        yield from layer(f"deconv{i + 1:02d}_1", f"up.{i}.0", "conv")
        yield from layer(f"deconv{i + 1:02d}_2", f"up.{i}.1", "conv")
        yield from layer(f"in{i + blocks + 4:02d}_1", f"up.{i}.2", "norm")
    yield from layer("deconv03_1", "last.0", "conv")

"""CycleGAN: unpaired image-to-image translation with cycle consistency (Zhu et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from henshin import Generator, GeneratorConfig, NetworkChoice, Recipe, RecipeConfig, UnpairedData, hookimpl

if TYPE_CHECKING:
    from torch import nn

    from henshin import Run


class ResNetConfig(GeneratorConfig):
    """The residual generator: 11.378 M parameters with 9 blocks at width 64."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; each halving doubles them.")
    blocks: int = Field(9, ge=1, le=32, description="Residual blocks.")
    downs: int = Field(2, ge=1, le=4, description="Halvings before, and doublings after, the residual blocks.")
    upsample: Literal["transposed", "resize"] = Field(
        "transposed", description="The paper's transposed convolution, or nearest resize + convolution (no chequers)."
    )


class ResNet(Generator[ResNetConfig]):
    """CycleGAN's residual generator; instance norm, reflection padding, tanh."""

    name = "resnet"
    Config = ResNetConfig

    @property
    def size_multiple(self) -> int:  # type: ignore[override]
        """Each halving must come out even."""
        return int(2**self.config.downs)

    def build(self) -> nn.Module:
        """The network with weights from N(0, 0.02)."""
        from henshin_plugins.cyclegan.network import ResNetGenerator

        c = self.config
        return ResNetGenerator(c.width, c.blocks, c.downs, c.upsample)


class CycleGanConfig(RecipeConfig):
    """Defaults are the paper's."""

    generator: NetworkChoice = Field(
        NetworkChoice(use="resnet"), description="The translator; one is built for each direction."
    )
    data: UnpairedData = Field(description="The two sets of pictures, and their size.")
    steps: int = Field(200_000, ge=1, description="Steps of training; an epoch is as many as there are photos / batch.")
    batch: int = Field(1, ge=1, description="Pictures of each domain a step.")
    learning_rate: float = Field(2e-4, gt=0, description="Adam's, with betas (0.5, 0.999).")
    decay: float = Field(0.5, ge=0, le=1, description="Last part of the steps, over which the rate falls to zero.")
    gan: Literal["lsgan", "hinge", "vanilla"] = Field("lsgan", description="Adversarial loss.")
    cycle_weight: float = Field(10.0, ge=0, description="Weight of the cycle loss, over an adversarial weight of 1.")
    identity_weight: float = Field(5.0, ge=0, description="Weight of the identity loss; 0 leaves it out.")
    pool: int = Field(100, ge=0, description="Earlier drawings kept to show the discriminators again.")
    judge_width: int = Field(64, ge=8, description="Channels of a discriminator's first layer.")
    judge_layers: int = Field(3, ge=1, le=5, description="Strided layers of a discriminator; 3 see 70x70 pixels.")
    judge_norm: Literal["instance", "spectral", "none"] = Field("instance", description="Norm in the discriminators.")
    average: float = Field(
        0.0, ge=0, lt=1, description="Decay of the running average of the weights that is exported; 0: the last ones."
    )
    sheet_every: int = Field(500, ge=1, description="Steps between sample sheets.")


class CycleGan(Recipe[CycleGanConfig]):
    """Two generators and two discriminators, held together by cycle consistency."""

    name = "cyclegan"
    Config = CycleGanConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.cyclegan.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """The network of this plugin."""
    return [ResNet]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """The recipe of this plugin."""
    return [CycleGan]

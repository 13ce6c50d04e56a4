"""The contract of a generator: a network plugin that can be trained, exported and run by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from henshin.api.traits import trait

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin.models.contract import ChannelOrder, Kind


Reach = int | Literal["global"]


class GeneratorConfig(BaseModel):
    """The options of a network: all that is needed to build it before its weights are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their present names, for the error message about a file with former names."""


NetworkConfigT = TypeVar("NetworkConfigT", bound=GeneratorConfig)


class Generator(Generic[NetworkConfigT]):
    """A network and all that is needed to run it.

    Every trait may be an attribute of the class or a property that looks at ``self.config``.
    """

    name: ClassVar[str]
    Config: ClassVar[type[GeneratorConfig]] = GeneratorConfig

    @trait
    def kind(self) -> Kind:
        """The input and the output of the network; pictures are (N, 3, H, W).

        "translator": picture to picture. "sampler": z (N, D) to picture; one of two ``parts`` becomes two models,
        a "mapping" of z to w (N, L, D) and a "synthesis" of w to picture. "encoder": picture to w+ (N, L, D).
        """
        return "translator"

    @trait
    def value_range(self) -> tuple[float, float]:
        """Range of the pictures that the network takes and gives; the exporter adds the scaling from and to uint8."""
        return -1.0, 1.0

    @trait
    def channel_order(self) -> ChannelOrder:
        """Order of the colour channels that the network takes and gives."""
        return "RGB"

    @trait
    def size_multiple(self) -> int:
        """Number of which height and width of a picture must be multiples."""
        return 1

    @trait
    def scale(self) -> int:
        """Output size over input size."""
        return 1

    @trait
    def reach(self) -> Reach:
        """Pixels of the input that an output pixel depends on, to each side, or "global" (as with instance norm).

        Only a network of finite reach can be tiled.
        """
        return "global"

    @trait
    def maximum_size(self) -> int | None:
        """Longest side that a translator is fit for; of an encoder, the side of the square pictures it takes.

        None: no limit (translator), the training size (encoder).
        """
        return None

    @trait
    def latent_shape(self) -> tuple[int, ...] | None:
        """Shape of one latent: (D,) of a sampler, (L, D) of a synthesis or an encoder; None without latents."""
        return None

    def __init__(self, config: NetworkConfigT) -> None:
        self.config = config

    def build(self) -> nn.Module:
        """Build the network with fresh weights: NCHW float in, NCHW float out. Import torch inside."""
        raise NotImplementedError(f"generator '{self.name}' has no build()")

    def parts(self, network: nn.Module | None = None) -> dict[str, nn.Module]:
        """Return the networks that become models: {"": network}, or {"mapping": ..., "synthesis": ...} of a sampler.

        They share the weights of ``network``, which ``build`` made, or of a fresh one. The mapping turns z (N, D) into
        styles w (N, L, D) and may have a tensor ``mean``, (D,) or (L, D), for truncation; the synthesis generates
        pictures from styles. The models are NAME-mapping and NAME-synthesis.
        """
        return {"": network if network is not None else self.build()}

    def family(self) -> dict[str, dict[str, Any]]:
        """Return the models exported from one network: {suffix of the name: options that differ from the network's}.

        Usually one, {"": {}}; of a network of several scales {"-x2": {"scales": (2,)}, ...}. Each model is the
        generator with these options, and takes its tensors from the whole network.
        """
        return {"": {}}

    def blocks(self) -> Sequence[tuple[str, ...]]:
        """Return the blocks of the network, from the first to the last, each by the prefixes of its tensors' names.

        `henshin blend` mixes two networks of this generator by swapping whole blocks; tensors of no block stay as they
        are. A network without blocks cannot be blended.
        """
        return ()

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:  # noqa: ARG003
        """Return options and tensors for published weights of this network, or None for another layout.

        `henshin import` calls it with the ``tensors`` of one network, floats in fp32, without `module.` before their
        names: once with further tensors of the file, such as a mean style, and, if that gives None, without them.
        The result is the options with which ``Config`` builds the same network, and all tensors of its ``state_dict``
        under their names there, and no other. Return None in doubt: no two generators may recognise one file.
        Errors: WrongWeightsError, in one line, where the names leave no doubt of the layout but some tensors are
        missing, too many or of another shape; the user sees it when no other generator recognises the file.
        """
        return None


class GeneratorRegistry(Protocol):
    """Generators, and the recipes that train them, by name."""

    @property
    def generators(self) -> Mapping[str, type[Generator[Any]]]:
        """All registered generators."""

    def generator(self, name: str) -> type[Generator[Any]]:
        """Return the generator class of this name. Errors: HenshinError with what would be right."""

    def recipe(self, name: str) -> type[Any]:
        """Return the recipe class of this name. Errors: HenshinError with what would be right."""

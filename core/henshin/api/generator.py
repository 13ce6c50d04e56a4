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
    """The options of a network: all that is needed to build it again before its weights are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their names of today: a file that says the former is told the other."""


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
        """Side of the square pictures that are all that an encoder takes; None for that of its training."""
        return None

    @trait
    def latent_shape(self) -> tuple[int, ...] | None:
        """Shape of one latent: (D,) of a sampler, (L, D) of a synthesis or an encoder; None without latents."""
        return None

    def __init__(self, config: NetworkConfigT) -> None:
        self.config = config

    def build(self) -> nn.Module:
        """Make the network with fresh weights: NCHW float in, NCHW float out. Import torch inside."""
        raise NotImplementedError(f"generator '{self.name}' has no build()")

    def parts(self, network: nn.Module | None = None) -> dict[str, nn.Module]:
        """The networks that become models: {"": the network}, or of a sampler {"mapping": ..., "synthesis": ...}.

        They are those of ``network``, which ``build`` made, or of a fresh one, and share its weights. The mapping
        turns z (N, D) into styles w (N, L, D) and may have a tensor ``mean``, (D,) or (L, D), for truncation; the
        synthesis draws pictures of them. The models are NAME-mapping and NAME-synthesis.
        """
        return {"": network if network is not None else self.build()}

    def family(self) -> dict[str, dict[str, Any]]:
        """The models that one network gives, by the ends of their names, with the options that make each of them.

        Usually one, {"": {}}; of a network of several scales {"-x2": {"scales": (2,)}, ...}: the generator with these
        options takes the tensors that it has from the whole network.
        """
        return {"": {}}

    def blocks(self) -> Sequence[tuple[str, ...]]:
        """The blocks of the network, from the first to the last, each by the beginnings of its tensors' names.

        What mixes two networks of this generator (`henshin blend`) swaps whole blocks; tensors of no block are left
        as they are. Without any the network cannot be mixed.
        """
        return ()

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:  # noqa: ARG003
        """Tell from names and shapes whether published weights are of this network; `henshin import` asks.

        ``tensors`` are those of one network, floats in fp32, without `module.` before their names; where others lie
        beside the network in the file, such as a mean style, those too, and if that is not known, without them. Return
        the options with which ``Config`` builds the same network, and the tensors under the names of its
        ``state_dict``, all of them and no other; or None when the layout is another one. A guess is worse than None:
        two generators must not both say yes to one file.
        Errors: WrongWeightsError, in one line, where the names leave no doubt of the layout but some tensors are
        missing, too many or of another shape; it is told when no other generator knows the file.
        """
        return None


class GeneratorRegistry(Protocol):
    """Generators, and the recipes that train them, by name."""

    @property
    def generators(self) -> Mapping[str, type[Generator[Any]]]:
        """All generators that are registered."""

    def generator(self, name: str) -> type[Generator[Any]]:
        """Return the generator class of this name. Errors: HenshinError with what would be right."""

    def recipe(self, name: str) -> type[Any]:
        """Return the recipe class of this name. Errors: HenshinError with what would be right."""

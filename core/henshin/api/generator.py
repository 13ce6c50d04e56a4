"""The contract of a generator: a network plugin that can be trained, exported and run by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin.models.contract import ChannelOrder, Kind


Reach = int | Literal["global"]

MYPY = False
"""True to mypy alone. To it what a class may say as an attribute or as a property is a property that can be read, which
either of them may override; to pyright, which lets no attribute override a property, it is an attribute of any type."""


class GeneratorConfig(BaseModel):
    """The options of a network: all that is needed to build it again before its weights are loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their names of today: a file that says the former is told the other."""


NetworkConfigT = TypeVar("NetworkConfigT", bound=GeneratorConfig)


class Generator(Generic[NetworkConfigT]):
    """A network with what one must know to run it.

    All but ``name`` and ``Config`` may be attributes of the class or properties that look at ``self.config``.
    ``kind``: "translator" picture -> picture, "sampler" z (N, D) -> picture; "mapping" z -> w (N, L, D) and
    "synthesis" w -> picture are those of the two models that a sampler of two ``parts`` becomes; "encoder" picture ->
    w+ (N, L, D), whose ``latent_shape`` is (L, D) and whose ``maximum_size`` is the side of the square pictures that
    alone it takes (without one, that of its training). ``value_range`` is what the network takes and gives; the
    exporter puts the scaling from and to uint8 into the graph. ``size_multiple``: height and width must be multiples
    of it. ``scale``: output size over input size. ``reach``: how many pixels of the input an output pixel sees to
    each side, or "global" (instance norm sees the whole picture): only a network of finite reach can be tiled.
    """

    name: ClassVar[str]
    Config: ClassVar[type[GeneratorConfig]] = GeneratorConfig
    if MYPY:

        @property
        def kind(self) -> Kind: ...  # noqa: D102
        @property
        def value_range(self) -> tuple[float, float]: ...  # noqa: D102
        @property
        def channel_order(self) -> ChannelOrder: ...  # noqa: D102
        @property
        def size_multiple(self) -> int: ...  # noqa: D102
        @property
        def scale(self) -> int: ...  # noqa: D102
        @property
        def reach(self) -> Reach: ...  # noqa: D102
        @property
        def maximum_size(self) -> int | None: ...  # noqa: D102
        @property
        def latent_shape(self) -> tuple[int, ...] | None: ...  # noqa: D102

    else:
        kind: Any = "translator"
        value_range: Any = (-1.0, 1.0)
        channel_order: Any = "RGB"
        size_multiple: Any = 1
        scale: Any = 1
        reach: Any = "global"
        maximum_size: Any = None
        latent_shape: Any = None

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

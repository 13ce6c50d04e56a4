"""The contract of a recipe: a plugin that trains generators, started with one YAML a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from henshin.train.run import Run


class RecipeConfig(BaseModel):
    """Everything that the YAML of a run may say, besides `recipe:` itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    seed: int = Field(0, ge=0, description="Seed of every random draw of the run.")


class NetworkChoice(BaseModel):
    """`{use: NAME, option: value, ...}`: a generator plugin and its options, checked against that plugin's Config."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="Name of a generator plugin.")

    @property
    def options(self) -> dict[str, Any]:
        """The options beside `use`, not yet checked."""
        return dict(self.model_extra or {})


class UnpairedData(BaseModel):
    """Two sets of pictures that need not correspond."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str | tuple[str, ...] = Field(description="Folder, or folders, of the domain to translate from (photos).")
    b: str | tuple[str, ...] = Field(description="Folder, or folders, of the domain to translate to (drawings).")
    size: int = Field(256, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")
    flip: bool = Field(True, description="Mirror each picture with an even chance.")
    hold_out: int = Field(
        100, ge=0, description="Pictures of each domain, chosen by the hash of their names, that are never trained on."
    )


RecipeConfigT = TypeVar("RecipeConfigT", bound=RecipeConfig)


class Recipe(Generic[RecipeConfigT]):
    """Trains one or more generators. ``train`` imports its heavy ``recipe.py``, which reads from top to bottom."""

    name: ClassVar[str]
    Config: ClassVar[type[RecipeConfig]] = RecipeConfig

    def __init__(self, config: RecipeConfigT) -> None:
        self.config = config

    def train(self, run: Run) -> None:
        """Train until ``run.step()`` says False."""
        raise NotImplementedError(f"recipe '{self.name}' has no train()")

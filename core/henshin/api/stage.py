"""The contract of a stage: one step of a pipeline, named in YAML by `use:`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from henshin.api.frame import Frame
from henshin.api.traits import trait

if TYPE_CHECKING:
    from henshin.api.context import Context


class StageConfig(BaseModel):
    """The options of a stage as its user may write them: typed, bounded, described; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their names of today: a file that says the former is told the other."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Optional dependencies of a stage that are no extra of henshin's own.

    ``install`` is what pip is to be told ("henshin-hayao[gpu]"), ``module`` what can be imported once that is there.
    """

    install: str
    module: str


ConfigT = TypeVar("ConfigT", bound=StageConfig)

Works = Literal["pictures", "frames", "source"]

Zone = Literal["photos", "crops"]


class Memory:
    """What a stage had remembered; this one is empty, as where no record is kept.

    It tells of the sources that were worked on in the same way and did not fail.
    """

    def earlier(self) -> Iterator[Remembered]:
        """Yield it, in the order of the record. Read anew from the disk each time."""
        return iter(())

    def stands(self, source: str, input_hash: str) -> bool:  # noqa: ARG002
        """Whether what became of a source with this content is there, or will be made again as it was by this run."""
        return False

    def key(self, source: str) -> str:
        """Return how a ``frame.source`` is called here."""
        return source


NOTHING = Memory()


class Stage(Generic[ConfigT]):
    """One step of a pipeline.

    A *pictures* stage sees pictures of any size: the crops between the stage that gives them and the one that ends
    them, else whole photos; ``run`` returns as many, in the same order, each a picture, a ``PictureError`` (it failed)
    or a ``Dropped`` (it is left out, and why). If a size changes, the engine scales what belongs to it (the frame's
    alpha, or the face's matrix and mask).
    A *frames* stage gets and returns frames; one may become several, or none (then it counts as skipped). To say why,
    it returns the frame with its ``dropped`` set, or that of a face.
    A *source* stage stands first and yields the frames itself.

    ``zone`` is set from outside, before ``misplaced``, ``open`` and each ``run``: whether the pictures to come
    are "crops" of faces or whole "photos". ``memory`` is set before ``open``: what ``frame.remember`` was given in
    earlier runs.
    """

    name: ClassVar[str]
    Config: ClassVar[type[StageConfig]] = StageConfig
    works_on: ClassVar[Works] = "pictures"
    zone: Zone = "photos"
    memory: Memory = NOTHING

    @trait
    def needs(self) -> frozenset[str]:
        """Names of "faces", "crops" and "latents" that must be there before this stage.

        "latents:NAME" names certain latents; so it does in ``gives`` and ``ends``.
        """
        return frozenset()

    @trait
    def gives(self) -> frozenset[str]:
        """Names of what is there after this stage."""
        return frozenset()

    @trait
    def ends(self) -> frozenset[str]:
        """Names of what is no longer there after this stage."""
        return frozenset()

    @trait
    def extra(self) -> str | Extra | None:
        """Optional dependencies of the stage: "train" or "heic" for ``pip install 'henshin[train]'``, or an Extra."""
        return None

    @trait
    def renames(self) -> bool:
        """Whether results have other names than their sources.

        Existing files in their way are then looked for when results are written, not before anything runs.
        """
        return False

    def __init__(self, config: ConfigT) -> None:
        """Take the validated options; load nothing yet."""
        self.config = config

    def depends_on(self) -> Mapping[str, str]:
        """Say on what else than options, models and files the results depend: {package: version}. Asked unopened."""
        return {}

    def misplaced(self) -> str | None:
        """Say why it cannot stand where it does, or None. Asked unopened, with its ``zone`` set, before anything runs.

        What ``needs``, ``gives`` and ``ends`` tell is not to be said again.
        """
        return None

    def open(self, context: Context) -> None:
        """Load models and heavy libraries. Called once, before the first batch."""

    def run(self, items: Any) -> Any:
        """Do the work on a list of pictures or of frames, as ``works_on`` says. One thread calls it.

        Untyped here, so that a stage may say `list[Picture]` or `list[Frame]` and pass mypy --strict.
        """
        raise NotImplementedError(f"stage '{self.name}' has no run()")

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of a source stage, always the same ones for the same options."""
        raise NotImplementedError(f"stage '{self.name}' is no source")

    def sources(self) -> Sequence[str] | None:
        """Name the ``source`` of each frame that ``frames`` yields, if that is known without the work.

        Then a run whose results are all there already does not do that work again. Asked unopened.
        """
        return None

    def close(self) -> None:
        """Give back what ``open`` took. Called once, whatever happened."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What ``frame.remember(value)`` was given in an earlier run: the frame ``name`` of ``source`` (a ``Memory.key``).

    ``input_hash`` is that of the source's content then.
    """

    source: str
    input_hash: str
    name: str
    value: str

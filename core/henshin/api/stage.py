"""The contract of a stage: one step of a pipeline, named in YAML by `use:`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import local
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from henshin.api.frame import Frame, Zone
from henshin.api.traits import trait

if TYPE_CHECKING:
    from henshin.api.context import Context


class StageConfig(BaseModel):
    """The options of a stage: typed, bounded and described; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of options with their present names, for the error message about a file with former names."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Optional dependencies of a stage that are no extra of henshin's own.

    ``install`` is pip's argument ("henshin-hayao[gpu]"), ``module`` the name of a module that it installs.
    """

    install: str
    module: str


ConfigT = TypeVar("ConfigT", bound=StageConfig)

Works = Literal["pictures", "frames", "source"]


class Memory:
    """The memory of a stage: values from earlier runs, of sources that were processed equally and did not fail.

    This one is empty, as for runs without a record.
    """

    def earlier(self) -> Iterator[Remembered]:
        """Yield what was remembered, in the order of the record. It is read from the disk each time."""
        return iter(())

    def stands(self, source: str, input_hash: str) -> bool:  # noqa: ARG002
        """Return whether the result of a source with this content exists, or will be made again by this run."""
        return False

    def key(self, source: str) -> str:
        """Return the key of a ``frame.source``."""
        return source


NO_MEMORY = Memory()
"""The memory of a stage that runs without a record."""


class Stage(Generic[ConfigT]):
    """One step of a pipeline.

    A *pictures* stage gets pictures of any size: the crops between the stage that gives them and the one that ends
    them, else whole photos; ``run`` returns as many, in the same order, each a picture, a ``PictureError`` (it failed)
    or a ``Dropped`` (it is left out, with the reason). If a size changes, the engine scales what belongs to it (the
    frame's alpha, or the face's matrix and mask).
    A *frames* stage gets and returns frames; one may become several, or none (then it counts as skipped). To give a
    reason, it returns the frame with its ``dropped`` set, or that of a face.
    A *source* stage stands first and yields the frames itself.

    Every trait may be an attribute of the class or a property that looks at ``self.config``.

    One thread at a time calls ``run``, with the pictures in the order of the input, unless the stage is ``concurrent``.

    The engine sets ``memory`` before ``open``: what ``frame.remember`` was given in earlier runs.
    """

    name: ClassVar[str]
    Config: ClassVar[type[StageConfig]] = StageConfig
    works_on: ClassVar[Works] = "pictures"
    memory: Memory = NO_MEMORY
    branches: Sequence[Sequence[Stage[Any]]] = ()
    """The stages in options of the type ``StageList``, unopened, list by list; ``Context.branch`` opens and runs them.
    Set when the pipeline is loaded, before any trait is read."""

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

    @trait
    def concurrent(self) -> bool:
        """Whether several threads may call ``run`` at once, on different pictures.

        True for a stage whose ``run`` changes nothing in ``self`` (sessions and models of the context may be shared)
        and whose results do not depend on the pictures that came before.
        """
        return False

    @trait
    def at_once(self) -> int:
        """Number of frames that the stage wants in one list on a CPU: 1, unless it is faster with several together.

        The whole pipeline then works on so many at once, one list after the other.
        """
        return 1

    def __init__(self, config: ConfigT) -> None:
        """Store the validated options; load nothing yet."""
        self.config = config

    @property
    def zone(self) -> Zone:
        """Whether the pictures to come are "crops" of faces or whole "photos".

        The engine sets it before ``misplaced``, ``open`` and each ``run``, for the thread that calls; another thread
        sees what was set last.
        """
        set_last: Zone = self.__dict__.get("_zone", "photos")
        zone: Zone = getattr(self.__dict__.get("_zones"), "own", set_last)
        return zone

    @zone.setter
    def zone(self, zone: Zone) -> None:
        self.__dict__["_zone"] = zone
        self.__dict__.setdefault("_zones", local()).own = zone

    def depends_on(self) -> Mapping[str, str]:
        """Return further dependencies of the results, besides options, models and files: {package: version}.

        Called before ``open``.
        """
        return {}

    def misplaced(self) -> str | None:
        """Return why the stage cannot stand at its place in the pipeline, or None.

        Called before ``open``, with ``zone`` set. ``needs``, ``gives`` and ``ends`` are checked by the engine.
        """
        return None

    def open(self, context: Context) -> None:
        """Load models and heavy libraries. Called once, before the first batch."""

    def run(self, items: Any) -> Any:
        """Process a list of pictures or of frames, as ``works_on`` says. One thread at a time, unless ``concurrent``.

        Untyped here, so that a stage may say `list[Picture]` or `list[Frame]` and pass mypy --strict.
        """
        raise NotImplementedError(f"stage '{self.name}' has no run()")

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of a source stage, the same ones for the same options."""
        raise NotImplementedError(f"stage '{self.name}' is no source")

    def sources(self) -> Sequence[str] | None:
        """Return the ``source`` of each frame that ``frames`` yields, if known without the work; else None.

        Then a run whose results all exist does not repeat the work. Called before ``open``.
        """
        return None

    def close(self) -> None:
        """Release what ``open`` loaded. Called once, also after an error."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A ``value`` given to ``frame.remember`` in an earlier run, by frame ``name`` of ``source`` (a ``Memory.key``).

    ``input_hash`` is that of the source's content in that run.
    """

    source: str
    input_hash: str
    name: str
    value: str

"""What a stage may know of earlier runs into the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remembered:
    """What ``frame.remember(value)`` was given in an earlier run: the frame ``name`` of ``source`` (a ``Memory.key``).

    ``input_hash`` is that of the source's content then.
    """

    source: str
    input_hash: str
    name: str
    value: str


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

"""What stages had written into the record of earlier runs, given back to them."""

from __future__ import annotations

from collections.abc import Iterator

from henshin.engine.prepare import Prepared
from henshin.memory import Memory, Remembered


class RecordMemory(Memory):
    """The memory of one stage: of sources that ended well, under the fingerprint of this run."""

    def __init__(self, prepared: Prepared, label: str) -> None:
        self.prepared = prepared
        self.label = label

    def earlier(self) -> Iterator[Remembered]:
        """Yield it, in the order of the record."""
        for entry, known in self.prepared.manifest.remembered(self.label):
            if entry.fingerprint == self.prepared.fingerprint and entry.status != "failed":
                for name, value in known:
                    yield Remembered(entry.source, entry.input_hash, name, value)

    def stands(self, source: str, input_hash: str) -> bool:
        """Whether what became of a source with this content is there, or will be made again as it was by this run."""
        return self.prepared.stands(source, input_hash)

    def key(self, source: str) -> str:
        """Return the key of a ``frame.source``."""
        return self.prepared.key(source)

"""The catalogue of `henshin models`: models on this machine and models for download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from henshin.errors import HenshinError
from henshin.models.index import IndexEntry, Weights
from henshin.models.store import Location, ModelStore

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.models.contract import Contract

Source = Location | Literal["download"]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model of the catalogue. ``path`` is None for a model that is not on this machine but can be downloaded.

    ``kind`` is that of the contract, or of the list ("detector", "features"), or "unknown" for a file without a
    contract; ``problem`` says why a file cannot be used. Weights for import are one entry for all their models; then
    ``entry`` is their line of the list.
    """

    name: str
    kind: str
    source: Source
    path: Path | None = None
    contract: Contract | None = None
    entry: IndexEntry | Weights | None = None
    problem: str | None = None

    @property
    def needs(self) -> str | None:
        """Extra of henshin that is needed to get the model: "train" for weights that are imported, else None."""
        return "train" if isinstance(self.entry, Weights) else None


def list_models(store: ModelStore) -> Sequence[CatalogueEntry]:
    """Return every model on this machine or for download, by name. Of equal names only the one in use is included."""
    entries: dict[str, CatalogueEntry] = {}
    for source, folder in store.folders.items():
        for name in store.names_in(folder):
            if name not in entries:
                entries[name] = _entry(store, name, source)
    for name, entry in store.entries.items():
        if name not in entries and entry.url is not None:
            entries[name] = CatalogueEntry(name, entry.kind, "download", contract=entry.contract, entry=entry)
    for name, weights in store.weights.items():
        if name not in entries and not all(model in entries for model in weights.models):
            entries[name] = CatalogueEntry(name, "translator", "download", entry=weights)
    return [entries[name] for name in sorted(entries)]


def _entry(store: ModelStore, name: str, source: Source) -> CatalogueEntry:
    entry = store.entries.get(name)
    path = store.find_file(name)
    if entry is not None and entry.kind in ("detector", "features"):
        return CatalogueEntry(name, entry.kind, source, path, None, entry)
    try:
        contract = store.find(name).contract
    except HenshinError as error:
        return CatalogueEntry(name, entry.kind if entry else "unknown", source, path, None, entry, str(error))
    return CatalogueEntry(name, contract.kind, source, path, contract, entry)

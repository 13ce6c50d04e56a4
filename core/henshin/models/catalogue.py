"""The lines of `henshin models`: what is at hand, and what can be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from henshin.errors import HenshinError
from henshin.models.index import Weights
from henshin.models.store import Location

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.models.contract import Contract
    from henshin.models.index import IndexEntry
    from henshin.models.store import ModelStore

Source = Location | Literal["download"]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A line of the list of models. ``path`` is None for one that is not on this machine but can be downloaded.

    ``kind`` is the contract's, or that of the entry ("detector"), or "unknown" for a file that has no contract;
    ``problem`` says what is wrong with a file that cannot be used. Of weights that are imported, in one line for all
    the models that they become, ``entry`` is their line.
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
        """The extra of henshin without which it cannot be had: "train" for weights that are imported."""
        return "train" if isinstance(self.entry, Weights) else None


def list_models(store: ModelStore) -> Sequence[CatalogueEntry]:
    """Return every model that is at hand or can be downloaded, by name; of equal names the one that is used."""
    listed: dict[str, CatalogueEntry] = {}
    for source, folder in store.folders.items():
        for name in store.names_in(folder):
            if name not in listed:
                listed[name] = _entry(store, name, source)
    for name, entry in store.entries.items():
        if name not in listed and entry.url is not None:
            listed[name] = CatalogueEntry(name, entry.kind, "download", contract=entry.contract, entry=entry)
    for name, weights in store.weights.items():
        if name not in listed and not all(model in listed for model in weights.models):
            listed[name] = CatalogueEntry(name, "translator", "download", entry=weights)
    return [listed[name] for name in sorted(listed)]


def _entry(store: ModelStore, name: str, source: Source) -> CatalogueEntry:
    entry = store.entries.get(name)
    path = store.find_file(name)
    if entry is not None and entry.kind == "detector":
        return CatalogueEntry(name, entry.kind, source, path, None, entry)
    try:
        contract = store.find(name).contract
    except HenshinError as error:
        return CatalogueEntry(name, entry.kind if entry else "unknown", source, path, None, entry, str(error))
    return CatalogueEntry(name, contract.kind, source, path, contract, entry)

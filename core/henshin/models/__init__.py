"""Models: what an exported network says of itself, and how a name becomes a file. Nothing heavy loads at import."""

from __future__ import annotations

from henshin.models.catalogue import Listed
from henshin.models.contract import CONTRACT_VERSION, METADATA_KEY, SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import INDEX_NAME, Entry, Index, Weights, add_to_index
from henshin.models.store import Found, ModelStore

__all__ = [
    "CONTRACT_VERSION",
    "INDEX_NAME",
    "METADATA_KEY",
    "SIDECAR_SUFFIX",
    "Contract",
    "Entry",
    "Found",
    "Index",
    "Listed",
    "ModelStore",
    "Weights",
    "add_to_index",
    "read_contract",
]

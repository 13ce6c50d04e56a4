"""Models: what an exported network says of itself, and how a name becomes a file. Nothing heavy loads at import."""

from __future__ import annotations

from henshin.models.contract import CONTRACT_VERSION, METADATA_KEY, SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import Entry, Index, list_model
from henshin.models.store import Found, Listed, ModelStore

__all__ = [
    "CONTRACT_VERSION",
    "METADATA_KEY",
    "SIDECAR_SUFFIX",
    "Contract",
    "Entry",
    "Found",
    "Index",
    "Listed",
    "ModelStore",
    "list_model",
    "read_contract",
]

"""Exported models: contracts, lists (models.yaml), the store that finds files, downloads and requirements of options.

Importing it loads neither ONNX Runtime nor numpy.
"""

from __future__ import annotations

from henshin.models.catalogue import CatalogueEntry
from henshin.models.contract import CONTRACT_VERSION, METADATA_KEY, SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import INDEX_NAME, Index, IndexEntry, Weights, add_to_index
from henshin.models.store import ModelStore, ResolvedModel

__all__ = [
    "CONTRACT_VERSION",
    "INDEX_NAME",
    "METADATA_KEY",
    "SIDECAR_SUFFIX",
    "CatalogueEntry",
    "Contract",
    "Index",
    "IndexEntry",
    "ModelStore",
    "ResolvedModel",
    "Weights",
    "add_to_index",
    "read_contract",
]

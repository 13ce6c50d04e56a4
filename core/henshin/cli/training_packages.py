"""The packages that training, export, import and blending need."""

from __future__ import annotations

from importlib.util import find_spec

from henshin.errors import MissingError

_TRAINING_PACKAGES = ("torch", "onnx", "onnxscript", "safetensors", "lightning_fabric")


def require_training_packages(*others: str, what: str = "training and export need") -> None:
    """Check that the packages of training are installed. Errors: MissingError with the command to install them."""
    for package in (*_TRAINING_PACKAGES, *others):
        if find_spec(package) is None:
            raise MissingError(f"{what} {package}: pip install 'henshin[train]'")

"""What a run's YAML says about its pictures. Light: recipes' configurations use it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from henshin.errors import HenshinError


class UnpairedData(BaseModel):
    """Two sets of pictures that need not correspond."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str | tuple[str, ...] = Field(description="Folder, or folders, of the domain to translate from (photos).")
    b: str | tuple[str, ...] = Field(description="Folder, or folders, of the domain to translate to (drawings).")
    size: int = Field(256, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")
    flip: bool = Field(True, description="Mirror each picture with an even chance.")
    hold_out: int = Field(
        100, ge=0, description="Pictures of each domain, chosen by the hash of their names, that are never trained on."
    )


def as_folders(value: str | Sequence[str], base: Path) -> list[Path]:
    """One folder or several, relative to `base`. Errors: HenshinError for one that does not exist."""
    folders = [base / name for name in ([value] if isinstance(value, str) else value)]
    for folder in folders:
        if not folder.is_dir():
            raise HenshinError(f"{folder}: no such folder of training pictures")
    return folders


def split(files: Sequence[Path], hold_out: int) -> tuple[list[Path], list[Path]]:
    """(training files, held-out files): the `hold_out` names with the smallest SHA-256 are held out.

    By name, not by place in the list: adding pictures, or another order, moves few from one side to the other.
    """
    ranked = sorted(files, key=lambda file: hashlib.sha256(file.stem.encode()).digest())
    held = set(ranked[:hold_out])
    return [file for file in files if file not in held], sorted(held)

"""The folders of pictures that a run names, and which of their pictures are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from henshin.errors import HenshinError
from henshin.images import is_picture


def as_folders(value: str | Sequence[str], base: Path) -> list[Path]:
    """One folder or several, relative to `base`. Errors: HenshinError for one that does not exist."""
    folders = [base / name for name in ([value] if isinstance(value, str) else value)]
    for folder in folders:
        if not folder.is_dir():
            raise HenshinError(f"{folder}: no such folder of training pictures")
    return folders


def pictures_in(folders: Sequence[Path]) -> list[Path]:
    """Every picture file below these folders, sorted; hidden files and folders are left out."""
    return sorted(
        file
        for folder in folders
        for file in folder.rglob("*")
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
        and is_picture(file)
    )


def split(files: Sequence[Path], hold_out: int) -> tuple[list[Path], list[Path]]:
    """(training files, held-out files): the `hold_out` names with the smallest SHA-256 are held out.

    By name, not by place in the list: adding pictures, or another order, moves few from one side to the other.
    """
    ranked = sorted(files, key=lambda file: hashlib.sha256(file.stem.encode()).digest())
    held = set(ranked[:hold_out])
    return [file for file in files if file not in held], sorted(held)

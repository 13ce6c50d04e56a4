"""Picture folders of a run: their files, pairs of files, and the split into training and held-out files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from henshin.config.options import FolderOption, OptionPath
from henshin.errors import HenshinError
from henshin.files import is_gallery
from henshin.images import is_picture


class HeldOutError(HenshinError):
    """Error of a `hold_out` that leaves no picture to train on."""


def folders_by_option(
    found: Iterable[tuple[OptionPath, str, FolderOption]],
) -> dict[OptionPath, tuple[list[str], FolderOption]]:
    """Group the folders that `find_options` returns by their option: {option: (folder names, marker)}."""
    options: dict[OptionPath, tuple[list[str], FolderOption]] = {}
    for path, name, marker in found:
        while path and isinstance(path[-1], int):
            path = path[:-1]
        options.setdefault(path, ([], marker))[0].append(name)
    return options


def resolve_folders(value: str | Sequence[str], base: Path) -> list[Path]:
    """Return the paths of one folder or several, relative to `base`. Errors: HenshinError for a missing folder."""
    folders = [base / Path(name).expanduser() for name in ([value] if isinstance(value, str) else value)]
    for folder in folders:
        if not folder.is_dir():
            raise HenshinError(f"{folder}: no such folder")
    return folders


def folder_sets(folders: Sequence[Path], apart: bool) -> list[Sequence[Path]]:
    """Return the folders of an option as one set, or with `apart` each as its own set."""
    return [[folder] for folder in folders] if apart else [folders]


def list_pictures(folders: Sequence[Path]) -> list[Path]:
    """Return every picture file below these folders, sorted, without hidden files and folders, and galleries."""
    is_shown = cache(is_gallery)
    return sorted(
        file
        for folder in folders
        for file in folder.rglob("*")
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
        and not any(is_shown(parent) for parent in file.parents if parent != folder and folder in parent.parents)
        and is_picture(file)
    )


def split_files(files: Sequence[Path], hold_out: int) -> tuple[list[Path], list[Path]]:
    """Return (training files, held-out files): the `hold_out` names with the smallest SHA-256 are held out.

    The split is by name, not by position: another order changes nothing, and added pictures move few files.
    """
    ranked = sorted(files, key=lambda file: hashlib.sha256(file.stem.encode()).digest())
    held_out = set(ranked[:hold_out])
    return [file for file in files if file not in held_out], sorted(held_out)


def require_pictures(folders: Sequence[Path], hold_out: int) -> list[Path]:
    """Return the pictures of these folders. Errors: HenshinError when there are none, or none is left to train on."""
    files = list_pictures(folders)
    if not files:
        raise HenshinError(f"{_names(folders)}: {_describe_empty(folders)}")
    _check_hold_out(len(files), folders, hold_out)
    return files


@dataclass(slots=True)
class FilePairs:
    """Pairs of files, `a[i]` with `b[i]`; `unpaired` are files without a partner, or whose name occurs twice."""

    a: list[Path] = field(default_factory=list)
    b: list[Path] = field(default_factory=list)
    unpaired: list[Path] = field(default_factory=list)


def require_pairs(a: Sequence[Path], b: Sequence[Path], hold_out: int) -> FilePairs:
    """Return the files below `a` and `b` of the same relative name without suffix, sorted by a's.

    Errors: HenshinError when there is no pair, or none is left to train on.
    """
    pairs = FilePairs()
    of_a, of_b = _by_name(a, pairs.unpaired), _by_name(b, pairs.unpaired)
    for name, file in sorted(of_a.items(), key=lambda item: item[1]):
        if name in of_b:
            pairs.a.append(file)
            pairs.b.append(of_b[name])
    pairs.unpaired += [of_a[name] for name in of_a.keys() - of_b] + [of_b[name] for name in of_b.keys() - of_a]
    pairs.unpaired.sort()
    if not pairs.a:
        example = f", such as {_names(b)}/{next(iter(of_a))}.*" if of_a else ""
        raise HenshinError(
            f"{_names(a)}: {len(of_a)} pictures, and {len(of_b)} in {_names(b)}, but no pair: none to train on; "
            f"partners have the same name{example}"
        )
    _check_hold_out(len(pairs.a), a, hold_out, "pairs")
    return pairs


def _by_name(folders: Sequence[Path], duplicates: list[Path]) -> dict[str, Path]:
    """Return files by relative name without suffix; further files of a name are added to `duplicates`."""
    files: dict[str, Path] = {}
    for folder in folders:
        for file in list_pictures([folder]):
            name = file.relative_to(folder).with_suffix("").as_posix()
            if files.setdefault(name, file) != file:
                duplicates.append(file)
    return files


def _check_hold_out(count: int, folders: Sequence[Path], hold_out: int, what: str = "pictures") -> None:
    """Check that a picture is left to train on. Errors: HeldOutError with the largest possible number."""
    if count <= hold_out:
        reason = f"{hold_out} of {count} {what} in {_names(folders)}: none left to train on"
        raise HeldOutError(f"hold_out: {reason}; at most {count - 1}")


def _describe_empty(folders: Sequence[Path]) -> str:
    others = sum(1 for folder in folders for file in folder.rglob("*") if file.is_file())
    return f"holds no picture; {f'files of other kinds: {others}' if others else 'it is empty'}"


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)

"""The folders of pictures that a run names: what lies in them, what belongs together, and what is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from henshin.config.options import FolderOption, OptionPath
from henshin.errors import HenshinError
from henshin.images import is_picture


class HeldOutError(HenshinError):
    """More pictures are to be held out than there are."""


def by_option(
    found: Iterable[tuple[OptionPath, str, FolderOption]],
) -> dict[OptionPath, tuple[list[str], FolderOption]]:
    """Marked folders put together: {option: (its folder or folders, its mark)}, in their order."""
    options: dict[OptionPath, tuple[list[str], FolderOption]] = {}
    for path, name, mark in found:
        while path and isinstance(path[-1], int):
            path = path[:-1]
        options.setdefault(path, ([], mark))[0].append(name)
    return options


def as_folders(value: str | Sequence[str], base: Path) -> list[Path]:
    """One folder or several, relative to `base`. Errors: HenshinError for one that does not exist."""
    folders = [base / Path(name).expanduser() for name in ([value] if isinstance(value, str) else value)]
    for folder in folders:
        if not folder.is_dir():
            raise HenshinError(f"{folder}: no such folder")
    return folders


def sets(folders: Sequence[Path], apart: bool) -> list[Sequence[Path]]:
    """The folders of an option as one set, or each as a set of its own."""
    return [[folder] for folder in folders] if apart else [folders]


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


def split_files(files: Sequence[Path], hold_out: int) -> tuple[list[Path], list[Path]]:
    """(training files, held-out files): the `hold_out` names with the smallest SHA-256 are held out.

    By name, not by place in the list: adding pictures, or another order, moves few from one side to the other.
    """
    ranked = sorted(files, key=lambda file: hashlib.sha256(file.stem.encode()).digest())
    held = set(ranked[:hold_out])
    return [file for file in files if file not in held], sorted(held)


def checked(folders: Sequence[Path], hold_out: int) -> list[Path]:
    """The pictures of these folders. Errors: HenshinError when there are none, or none is left to train on."""
    files = pictures_in(folders)
    if not files:
        raise HenshinError(f"{places(folders)}: {why_empty(folders)}")
    enough(len(files), folders, hold_out)
    return files


def enough(count: int, folders: Sequence[Path], hold_out: int, what: str = "pictures") -> None:
    """Check that holding out leaves something to train on. Errors: HeldOutError with a number that would do."""
    if count <= hold_out:
        told = f"{hold_out} of {count} {what} in {places(folders)}: none left to train on"
        raise HeldOutError(f"hold_out: {told}; at most {count - 1}")


def why_empty(folders: Sequence[Path]) -> str:
    """Say that folders hold no picture, and what they hold."""
    others = sum(1 for folder in folders for file in folder.rglob("*") if file.is_file())
    return f"holds no picture; {f'files of other kinds: {others}' if others else 'it is empty'}"


def places(folders: Sequence[Path]) -> str:
    """Say which folders these are."""
    return ", ".join(str(folder) for folder in folders)


@dataclass(slots=True)
class Partners:
    """Pairs of files, `a[i]` with `b[i]`; `single` names the files that have no partner, or whose name is taken."""

    a: list[Path] = field(default_factory=list)
    b: list[Path] = field(default_factory=list)
    single: list[Path] = field(default_factory=list)


def pairs_in(a: Sequence[Path], b: Sequence[Path], hold_out: int) -> Partners:
    """The files below `a` with those of the same relative name, without suffix, below `b`, sorted by a's.

    Errors: HenshinError when there is no pair, or none is left to train on.
    """
    found = Partners()
    of_a, of_b = _by_name(a, found.single), _by_name(b, found.single)
    for name, file in sorted(of_a.items(), key=lambda item: item[1]):
        if name in of_b:
            found.a.append(file)
            found.b.append(of_b[name])
    found.single += [of_a[name] for name in of_a.keys() - of_b] + [of_b[name] for name in of_b.keys() - of_a]
    found.single.sort()
    if not found.a:
        example = f", such as {places(b)}/{next(iter(of_a))}.*" if of_a else ""
        raise HenshinError(
            f"{places(a)}: {len(of_a)} pictures, and {len(of_b)} in {places(b)}, but no pair: none to train on; "
            f"partners have the same name{example}"
        )
    enough(len(found.a), a, hold_out, "pairs")
    return found


def _by_name(folders: Sequence[Path], taken: list[Path]) -> dict[str, Path]:
    """Files by their relative names without suffix; those that come second with a name are added to `taken`."""
    named: dict[str, Path] = {}
    for folder in folders:
        for file in pictures_in([folder]):
            name = file.relative_to(folder).with_suffix("").as_posix()
            if named.setdefault(name, file) != file:
                taken.append(file)
    return named

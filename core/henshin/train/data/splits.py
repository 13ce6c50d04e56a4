"""Which pictures of a decoded set a run trains on and which it holds out, and what it tells of the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from henshin.api.recipe import Run
from henshin.api.training_data import FolderData, PictureData
from henshin.errors import HenshinError
from henshin.train.data.cache import DecodedImages, decoded
from henshin.train.data.duplicates import groups
from henshin.train.data.folders import split_files


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of a decoded set: those to train on and those held out."""

    training: np.ndarray
    held: np.ndarray


def decode(run: Run, files: Sequence[Path], data: PictureData, option: str) -> DecodedImages:
    """The decoded set of these files; those that cannot be read are told. Errors: HenshinError when that is all."""
    found = decoded(files, data.side, data.crop, run.say, option)
    skipped = [f"{file}: {reason}" for file, reason in found.skipped]
    tell(run.say, run.folder / "skipped.txt", option, "skipped", skipped)
    if not found.files:
        raise HenshinError(f"data.{option}: none of the {len(files)} pictures can be read, the first {skipped[0]}")
    return found


def too_small(run: Run, found: DecodedImages, data: PictureData, option: str) -> np.ndarray:
    """Which pictures are to be left out as too small, bool (N,). Errors: HenshinError where that was asked for."""
    short = found.sizes.min(axis=1)
    small: np.ndarray = short < data.size
    count, of = int(small.sum()), f"{option}: of {len(small)} pictures"
    if not count:
        return small
    if data.small == "fail":
        name = found.files[int(np.argmin(short))]
        raise HenshinError(
            f"data.{option}: {count} of {len(small)} pictures are smaller than {data.size} px, the smallest {name}; "
            f"data.size: {int(short.min()) // 4 * 4} takes them all, data.small: enlarge or skip goes on"
        )
    if data.small == "skip":
        run.say(f"{of} {count} are smaller than {data.size} px, and left out")
        return small
    run.say(f"{of} {count} are smaller than {data.size} px, and enlarged (data.small: skip leaves them out)")
    return np.zeros_like(small)


def split(
    run: Run,
    files: Sequence[Path],
    found: DecodedImages,
    out: np.ndarray,
    same: np.ndarray,
    data: FolderData,
    option: str,
) -> Split:
    """Split by name, all files counted; then leave out what is `out` (N,), and the `same` (P, 2) if asked to.

    Errors: HenshinError when nothing is left to train on.
    """
    held_files = set(split_files(files, data.hold_out)[1])
    held = np.array([file in held_files for file in found.files], bool)
    out = out.copy()
    if data.duplicates != "ignore":
        sets = groups(same[~out[same].any(axis=1)])
        dropped = [i for group in sets for i in _extra(group, held, found.sizes)]
        drop = data.duplicates == "drop"
        _tell_duplicates(run, found, sets, held, dropped if drop else None, option)
        if drop:
            out[dropped] = True
    chosen = Split(np.flatnonzero(~held & ~out), np.flatnonzero(held & ~out))
    if held_files and not len(chosen.held):
        run.say(
            f"{option}: nothing is held out, for of the {len(held_files)} chosen by their names none can be used; "
            "repair or remove them, or raise data.hold_out"
        )
    if not len(chosen.training):
        raise HenshinError(
            f"data.{option}: of {len(files)} pictures {len(files) - len(found.files)} cannot be read, "
            f"{int(out.sum())} were left out and {len(chosen.held)} are held out: none to train on"
        )
    return chosen


def _extra(group: Sequence[int], held: np.ndarray, sizes: np.ndarray) -> Iterable[int]:
    """Of pictures that show the same, those to leave out of training: all but the largest, or all if one is held."""
    training = [i for i in group if not held[i]]
    if len(training) == len(group):
        training.remove(max(training, key=lambda i: (int(sizes[i].prod()), -i)))
    return training


def _tell_duplicates(
    run: Run, found: DecodedImages, sets: list[list[int]], held: np.ndarray, dropped: Sequence[int] | None, option: str
) -> None:
    file = run.folder / "duplicates.txt"
    note(file, option, list(_listed(found.files, sets, held, set(dropped or ()))))
    if not sets:
        return
    leaks = sum(1 for group in sets for i in group if held[i] and not held[group].all())
    line = f"{option}: {sum(map(len, sets))} pictures are near-duplicates, in {len(sets)} groups"
    if leaks:
        line += f"; {leaks} held-out ones also stand in training"
    line += f"; {len(dropped)} are left out" if dropped is not None else " (data.duplicates: drop leaves copies out)"
    run.say(f"{line}; listed in {file}")


def _listed(files: Sequence[Path], sets: list[list[int]], held: np.ndarray, dropped: set[int]) -> Iterable[str]:
    for group in sets:
        for i in group:
            yield f"{files[i]}{'  held out' if held[i] else ''}{'  left out' if i in dropped else ''}"
        yield ""


NAMED = 10
"""So many files are named on the screen; more stand in a file of the run's folder."""


def note(file: Path, part: str, lines: Sequence[str]) -> None:
    """Put `lines` under the headline `# part` of a text file, in place of what stood there; no lines take it out."""
    parts = _parts(file)
    parts.pop(part, None)
    if lines:
        parts[part] = "\n".join(lines).rstrip("\n").split("\n")
    if not parts:
        file.unlink(missing_ok=True)
        return
    text = "\n".join("\n".join([f"# {name}", *parts[name], ""]) for name in sorted(parts))
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8", errors="surrogateescape")
    beside.replace(file)


def tell(say: Callable[[str], None], file: Path, part: str, what: str, lines: Sequence[str]) -> None:
    """Name each line when they are few; else count them, name the first, and write them all to `file`."""
    many = len(lines) > NAMED
    note(file, part, lines if many else [])
    if many:
        say(f"{part}: {len(lines)} {what}, the first {lines[0]}; all in {file}")
    else:
        for line in lines:
            say(f"{part}: {what}: {line}")


def _parts(file: Path) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    if not file.is_file():
        return parts
    current: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line.startswith("# "):
            current = parts.setdefault(line[2:], [])
        else:
            current.append(line)
    return {name: "\n".join(lines).rstrip("\n").split("\n") for name, lines in parts.items()}

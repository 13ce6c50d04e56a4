"""Split of a decoded set into training and held-out pictures, and the report of the pictures that are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from henshin.api.recipe import Run
from henshin.api.training_data import FolderData, PictureData
from henshin.errors import HenshinError
from henshin.files import write_atomic
from henshin.train.data.cache import DecodedImages, load_decoded
from henshin.train.data.duplicates import group_pairs
from henshin.train.data.folders import split_files

MAX_NAMED = 10
"""Files that are named on the screen; longer lists go into a file of the run's folder."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of a decoded set: those to train on and those held out."""

    training: np.ndarray
    held_out: np.ndarray


def decode(run: Run, files: Sequence[Path], data: PictureData, option: str) -> DecodedImages:
    """Return the decoded set of these files, and report those that cannot be read. Errors: HenshinError if all."""
    decoded = load_decoded(files, data.side, data.crop, run.say, option)
    skipped = [f"{file}: {reason}" for file, reason in decoded.skipped]
    report_files(run.say, run.folder / "skipped.txt", option, "skipped", skipped)
    if not decoded.files:
        raise HenshinError(f"data.{option}: none of the {len(files)} pictures can be read, the first {skipped[0]}")
    return decoded


def too_small(run: Run, decoded: DecodedImages, data: PictureData, option: str) -> np.ndarray:
    """Return the mask (N,) of pictures to leave out as too small. Errors: HenshinError for `data.small: fail`."""
    short = decoded.sizes.min(axis=1)
    small: np.ndarray = short < data.size
    count, of = int(small.sum()), f"{option}: of {len(small)} pictures"
    if not count:
        return small
    if data.small == "fail":
        name = decoded.files[int(np.argmin(short))]
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
    decoded: DecodedImages,
    excluded: np.ndarray,
    duplicates: np.ndarray,
    data: FolderData,
    option: str,
) -> Split:
    """Split all `files` by name, without the rows `excluded` (N,) and, for `data.duplicates: drop`, without copies.

    `duplicates` (P, 2) are the pairs of rows that show the same picture.
    Errors: HenshinError when nothing is left to train on.
    """
    held_files = set(split_files(files, data.hold_out)[1])
    held_out = np.array([file in held_files for file in decoded.files], bool)
    excluded = excluded.copy()
    if data.duplicates != "ignore":
        groups = group_pairs(duplicates[~excluded[duplicates].any(axis=1)])
        copies = [i for group in groups for i in _copies(group, held_out, decoded.sizes)]
        drop = data.duplicates == "drop"
        _report_duplicates(run, decoded, groups, held_out, copies if drop else None, option)
        if drop:
            excluded[copies] = True
    result = Split(np.flatnonzero(~held_out & ~excluded), np.flatnonzero(held_out & ~excluded))
    if held_files and not len(result.held_out):
        run.say(
            f"{option}: nothing is held out, for of the {len(held_files)} chosen by their names none can be used; "
            "repair or remove them, or raise data.hold_out"
        )
    if not len(result.training):
        raise HenshinError(
            f"data.{option}: of {len(files)} pictures {len(files) - len(decoded.files)} cannot be read, "
            f"{int(excluded.sum())} were left out and {len(result.held_out)} are held out: none to train on"
        )
    return result


def _copies(group: Sequence[int], held_out: np.ndarray, sizes: np.ndarray) -> Iterable[int]:
    """Return the training rows of a group to leave out: all but the largest picture, or all if one is held out."""
    training = [i for i in group if not held_out[i]]
    if len(training) == len(group):
        training.remove(max(training, key=lambda i: (int(sizes[i].prod()), -i)))
    return training


def _report_duplicates(
    run: Run,
    decoded: DecodedImages,
    groups: list[list[int]],
    held_out: np.ndarray,
    dropped: Sequence[int] | None,
    option: str,
) -> None:
    file = run.folder / "duplicates.txt"
    write_section(file, option, list(_duplicate_lines(decoded.files, groups, held_out, set(dropped or ()))))
    if not groups:
        return
    leaks = sum(1 for group in groups for i in group if held_out[i] and not held_out[group].all())
    line = f"{option}: {sum(map(len, groups))} pictures are near-duplicates, in {len(groups)} groups"
    if leaks:
        line += f"; {leaks} held-out ones also stand in training"
    line += f"; {len(dropped)} are left out" if dropped is not None else " (data.duplicates: drop leaves copies out)"
    run.say(f"{line}; listed in {file}")


def _duplicate_lines(
    files: Sequence[Path], groups: list[list[int]], held_out: np.ndarray, dropped: set[int]
) -> Iterable[str]:
    for group in groups:
        for i in group:
            yield f"{files[i]}{'  held out' if held_out[i] else ''}{'  left out' if i in dropped else ''}"
        yield ""


def report_files(say: Callable[[str], None], file: Path, part: str, what: str, lines: Sequence[str]) -> None:
    """Say each line; of more than `MAX_NAMED` say their number and the first, and write all to `file`."""
    many = len(lines) > MAX_NAMED
    write_section(file, part, lines if many else [])
    if many:
        say(f"{part}: {len(lines)} {what}, the first {lines[0]}; all in {file}")
    else:
        for line in lines:
            say(f"{part}: {what}: {line}")


def write_section(file: Path, part: str, lines: Sequence[str]) -> None:
    """Replace the section `# part` of a text file by `lines`; without lines remove it, and an empty file with it."""
    parts = _read_sections(file)
    parts.pop(part, None)
    if lines:
        parts[part] = "\n".join(lines).rstrip("\n").split("\n")
    if not parts:
        file.unlink(missing_ok=True)
        return
    text = "\n".join("\n".join([f"# {name}", *parts[name], ""]) for name in sorted(parts))
    with write_atomic(file) as part_file:
        part_file.write_text(text, encoding="utf-8", errors="surrogateescape")


def _read_sections(file: Path) -> dict[str, list[str]]:
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

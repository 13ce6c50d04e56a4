"""A part of a folder that is set aside for tests: the pictures whose names have the smallest MD5.

    python bench/quality/hold_out.py SOURCE DEST [--count 100] [--rest REST] [--list]

DEST gets links to the held-out pictures, REST links to all others. A picture is held out or not by its name and those
of the others, whatever the order of listing; so what chooses between training runs never sees what is reported.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def main() -> None:
    """Write the links or lists that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of pictures")
    parser.add_argument("dest", type=Path, help="new folder for links to the held-out pictures, or a file for --list")
    parser.add_argument("--count", type=int, default=100, help="pictures to hold out (default: %(default)s)")
    parser.add_argument("--rest", type=Path, help="the same for all other pictures: those to train on")
    parser.add_argument("--list", action="store_true", help="write text files of paths in place of folders of links")
    options = parser.parse_args()
    files = pictures_of(options.source)
    held_out, rest = split(files, options.count)
    if options.count < 1 or not rest:
        sys.exit(f"{options.source}: holds {len(files)} pictures; --count must be between 1 and {len(files) - 1}")
    wanted = [(options.dest, held_out), *([(options.rest, rest)] if options.rest else [])]
    for place, _ in wanted:
        if place.exists():
            sys.exit(f"{place}: is there already; give a new name")
    if options.rest and options.rest.resolve() == options.dest.resolve():
        sys.exit(f"{options.rest}: is for the held-out pictures; --rest must be another name")
    for place, chosen in wanted:
        (write_list if options.list else write_links)(place, chosen)
        print(f"{place}: {len(chosen)} of {len(files)}")


def pictures_of(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, sorted by name. It ends the program where there are none."""
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
    if not files:
        sys.exit(f"{folder}: holds no {', '.join(sorted(SUFFIXES))}" if folder.is_dir() else f"{folder}: is no folder")
    return files


def split(files: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Return (held out, rest), both sorted by name: the `count` file names with the smallest MD5 are held out."""
    ranked = sorted(files, key=lambda file: hashlib.md5(file.name.encode(), usedforsecurity=False).digest())
    return sorted(ranked[:count]), sorted(ranked[count:])


def write_links(folder: Path, files: Sequence[Path]) -> None:
    """Make a folder of links to these files, under their names."""
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def write_list(path: Path, files: Sequence[Path]) -> None:
    """Write the absolute paths of these files, one in a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{file.resolve()}\n" for file in files), encoding="utf-8")


if __name__ == "__main__":
    main()

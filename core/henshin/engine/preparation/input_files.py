"""From paths as a user types them to a sorted listing of pictures: files, folders (with all in them) and globs."""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape, glob, has_magic
from pathlib import Path, PurePosixPath

from henshin.engine.record.manifest import FOLDER, RECORD
from henshin.errors import HenshinError
from henshin.files import barred, is_file, is_folder

log = logging.getLogger("henshin")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One picture to be worked on.

    ``path`` is where it is, as the user named it; ``relative`` its place below the input, with suffix and "/": the
    output tree mirrors it. ``key`` is its name for the record: the absolute path, so that it does not depend on where
    henshin was started. ``label`` is the name of the folder that holds it.
    """

    path: Path
    relative: str
    key: str
    label: str

    @classmethod
    def at(cls, path: Path, relative: str) -> SourceFile:
        """Make the source of a file."""
        key = os.path.abspath(path)  # noqa: PTH100
        return cls(path, relative, key, os.path.basename(os.path.dirname(key)))  # noqa: PTH119, PTH120

    @property
    def suffix(self) -> str:
        """The file's own suffix, as written."""
        return self.path.suffix


@dataclass
class Listing:
    """What the inputs hold: pictures in natural order, a count of other files, and folders that cannot be opened."""

    sources: list[SourceFile] = field(default_factory=list)
    non_pictures: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Root:
    """A file or folder that was asked for, and how what is in it is to be named: ``prefix`` comes before."""

    path: Path
    prefix: PurePosixPath


def natural(text: str) -> list[tuple[int, int | str]]:
    """Return a sort key that puts "9" before "10", whatever the case and however accents are composed."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", text).casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def tree_key(relative: str) -> tuple[list[list[tuple[int, int | str]]], str]:
    """Return a sort key for a place in a tree: folder by folder in natural order, exact spelling last."""
    return [natural(part) for part in relative.split("/")], relative


def list_inputs(inputs: Sequence[Path | str], output: Path | None) -> Listing:
    """List the pictures below ``inputs``, independent of their order and of that of the file system.

    With several inputs a folder's name becomes part of the names of what is in it, as ``cp -r a b out/`` does. Hidden
    files and folders are left out unless they are inputs themselves, and so is ``output`` and every other folder that
    holds the record of a run. Errors: HenshinError for an input that is not there and for ``output`` being the input.
    """
    listing = Listing()
    found: dict[str, SourceFile] = {}
    roots = _roots([item for item in inputs if not _is_own(Path(item), output)] or inputs)
    others = [root for root in roots if not _is_own(root.path, output)]
    if others and any(_is_own(Path(item), output) for item in [*inputs, *(root.path for root in roots)]):
        listing.left_out.append(str(output))
    for root in others or roots:
        _refuse_output(root.path, output)
        pairs = _walk(root, output, listing) if is_folder(root.path) else [(root.path, root.prefix / root.path.name)]
        for path, relative in pairs:
            _keep(SourceFile.at(path, relative.as_posix()), found)
    pictures = {key: source for key, source in found.items() if _is_picture(source.path)}
    listing.non_pictures = len(found) - len(pictures)
    for key in sorted(found.keys() - pictures.keys()):
        log.info("%s: no picture, passed over", found[key].path)
    listing.sources = sorted(pictures.values(), key=lambda source: (tree_key(source.relative), source.key))
    listing.left_out = sorted(set(listing.left_out))
    return listing


def _keep(source: SourceFile, found: dict[str, SourceFile]) -> None:
    """Add a file, once: two inputs may overlap. The name that says most about its place wins, in whatever order."""
    other = found.get(source.key)
    if other is None or _depth(source) > _depth(other):
        found[source.key] = source


def _depth(source: SourceFile) -> tuple[int, str]:
    return source.relative.count("/"), source.relative


def _is_picture(path: Path) -> bool:
    from henshin.images import is_picture

    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        # A link that leads nowhere: by its name a picture, and reading it will say what is wrong.
        return os.path.islink(path) and is_picture(path)  # noqa: PTH114
    except OSError:  # one round to itself, or what may not be looked at
        return is_picture(path)
    # Opening a pipe or a device could wait for ever.
    return stat.S_ISREG(mode) and is_picture(path)


def _refuse_output(root: Path, output: Path | None) -> None:
    if output is not None and is_folder(root) and _same(root, output):
        raise HenshinError(f"'{output}' is both an input and the output folder; give another folder with -o")


def _is_own(path: Path, output: Path | None) -> bool:
    """Whether an input is the output folder, with results of an earlier run: a shell put it there (``-i *``)."""
    return output is not None and is_folder(path) and _same(path, output) and is_file(output / FOLDER / RECORD)


def _same(one: Path, other: Path) -> bool:
    return _real(one) == _real(other)


def _real(path: Path) -> str:
    # Path.resolve would raise for a link that leads round to itself.
    return os.path.normcase(os.path.realpath(path))


# -- Inputs as typed -------------------------------------------------------------------------------------------------


def _roots(inputs: Sequence[Path | str]) -> list[_Root]:
    if not inputs:
        raise HenshinError("no input: name photos, folders or a glob with -i")
    single = len(inputs) == 1
    return [root for item in inputs for root in _expand(os.fspath(item), single)]


def _expand(text: str, single: bool) -> Iterable[_Root]:
    """Turn one input into files and folders; a glob is expanded only if no file has that very name."""
    path = Path(text)
    if text.startswith("~") and not os.path.lexists(path):
        path = path.expanduser()
    if os.path.lexists(path):
        name = Path(os.path.abspath(path)).name  # noqa: PTH100
        return [_Root(path, PurePosixPath() if single or not is_folder(path) else PurePosixPath(name))]
    fixed = _fixed_part(path)
    problem = barred(path) or barred(fixed)
    if not has_magic(text):
        raise HenshinError(problem or f"no such file or folder: '{text}'")
    matches = sorted(glob(os.fspath(path), recursive=True))  # noqa: PTH207
    if not matches:
        raise HenshinError(problem or f"nothing matches '{text}'")
    return [_Root(Path(match), _below(Path(match), fixed)) for match in matches]


def _fixed_part(path: Path) -> Path:
    """Return the folders before the first wildcard."""
    parts: list[str] = []
    for part in path.parts:
        if escape(part) != part and has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path()


def _below(match: Path, fixed: Path) -> PurePosixPath:
    """Return where a match of a glob is, from the glob's fixed part; for a file, the folder it is in."""
    relative = PurePosixPath(match.relative_to(fixed).as_posix())
    return relative if is_folder(match) else relative.parent


# -- Folders ---------------------------------------------------------------------------------------------------------


def _walk(root: _Root, output: Path | None, listing: Listing) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield every file below a folder. Links to folders are followed last, and no folder is entered twice."""
    here: list[tuple[Path, PurePosixPath]] = [(root.path, root.prefix)]
    links: list[tuple[Path, PurePosixPath]] = []
    seen: set[tuple[int, int] | str] = set()
    while here or links:
        folder, relative = here.pop() if here else links.pop(0)
        if not _first_visit(folder, seen, listing):
            continue
        if folder != root.path and _is_output(folder, output):
            listing.left_out.append(str(folder))
            continue
        for entry in _entries(folder, listing):
            place = (folder / entry.name, relative / entry.name)
            if not _leads_to_folder(entry):
                yield place
            elif entry.is_symlink():
                links.append(place)
            else:
                here.append(place)


def _entries(folder: Path, listing: Listing) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        listing.unreadable.append((str(folder), f"cannot be listed: {error.strerror or error}"))
        return []


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round to itself
        return False


def _first_visit(folder: Path, seen: set[tuple[int, int] | str], listing: Listing) -> bool:
    try:
        status = folder.stat()
    except OSError as error:
        listing.unreadable.append((str(folder), f"cannot be opened: {error.strerror or error}"))
        return False
    # File systems without inodes report 0.
    mark = (status.st_dev, status.st_ino) if status.st_ino else str(folder.resolve())
    if mark in seen:
        return False
    seen.add(mark)
    return True


def _is_output(folder: Path, output: Path | None) -> bool:
    """Whether a folder holds results: of this run, or of an earlier one."""
    return (output is not None and _same(folder, output)) or is_file(folder / FOLDER / RECORD)

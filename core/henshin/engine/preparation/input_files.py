"""The listing of input files: paths, folders (with everything in them) and globs, expanded and sorted."""

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
from henshin.files import access_problem, is_file, is_folder, is_gallery

log = logging.getLogger("henshin")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input picture.

    ``path`` is the file as the user named it; ``relative`` its path below the input, with suffix and "/", which the
    output tree mirrors. ``key`` is its name in the record: the absolute path, so that it does not depend on the
    working directory. ``label`` is the name of the folder that holds it.
    """

    path: Path
    relative: str
    key: str
    label: str

    @classmethod
    def at(cls, path: Path, relative: str) -> SourceFile:
        """Return the source for a file."""
        key = os.path.abspath(path)  # noqa: PTH100
        return cls(path, relative, key, os.path.basename(os.path.dirname(key)))  # noqa: PTH119, PTH120

    @property
    def suffix(self) -> str:
        """The file's own suffix, as written."""
        return self.path.suffix


@dataclass
class Listing:
    """The contents of the inputs.

    ``sources`` are the pictures in natural order, ``non_pictures`` counts other files, ``unreadable`` holds (folder,
    reason) of those that cannot be opened, ``excluded`` the folders that were left out because they hold results.
    """

    sources: list[SourceFile] = field(default_factory=list)
    non_pictures: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Root:
    """An input file or folder; ``prefix`` comes before the relative paths of the files in it."""

    path: Path
    prefix: PurePosixPath


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Return a sort key in natural order ("9" before "10"), regardless of case and Unicode normal form."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", text).casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def tree_key(relative: str) -> tuple[list[list[tuple[int, int | str]]], str]:
    """Return a sort key for a relative path: folder by folder in natural order, then by exact spelling."""
    return [natural_key(part) for part in relative.split("/")], relative


def list_inputs(inputs: Sequence[Path | str], output: Path | None) -> Listing:
    """List the pictures below ``inputs``, regardless of their order and of that of the file system.

    With several inputs the relative paths of a folder's files begin with its name, as after ``cp -r a b out/``. Hidden
    files and folders are left out unless they are inputs themselves. ``output`` is left out, and so is every other
    folder that holds the record of a run or is a gallery. Errors: HenshinError for an input that does not exist and for
    ``output`` being the input.
    """
    listing = Listing()
    found: dict[str, SourceFile] = {}
    roots = _roots([item for item in inputs if not _is_earlier_output(Path(item), output)] or inputs)
    others = [root for root in roots if not _is_earlier_output(root.path, output)]
    if others and any(_is_earlier_output(Path(item), output) for item in [*inputs, *(root.path for root in roots)]):
        listing.excluded.append(str(output))
    for root in others or roots:
        _refuse_output(root.path, output)
        pairs = _walk(root, output, listing) if is_folder(root.path) else [(root.path, root.prefix / root.path.name)]
        for path, relative in pairs:
            _add(SourceFile.at(path, relative.as_posix()), found)
    pictures = {key: source for key, source in found.items() if _is_picture(source.path)}
    listing.non_pictures = len(found) - len(pictures)
    for key in sorted(found.keys() - pictures.keys()):
        log.info("%s: no picture, passed over", found[key].path)
    listing.sources = sorted(pictures.values(), key=lambda source: (tree_key(source.relative), source.key))
    listing.excluded = sorted(set(listing.excluded))
    return listing


def _add(source: SourceFile, found: dict[str, SourceFile]) -> None:
    """Add a file once: inputs may overlap. The relative path with most folders wins, in whatever order they come."""
    known = found.get(source.key)
    if known is None or _depth(source) > _depth(known):
        found[source.key] = source


def _depth(source: SourceFile) -> tuple[int, str]:
    return source.relative.count("/"), source.relative


def _is_picture(path: Path) -> bool:
    from henshin.images import is_picture

    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        # A broken link: the listing goes by its name, and reading it reports the error.
        return os.path.islink(path) and is_picture(path)  # noqa: PTH114
    except OSError:  # a link to itself, or no permission
        return is_picture(path)
    # Opening a pipe or a device could block for ever.
    return stat.S_ISREG(mode) and is_picture(path)


def _refuse_output(root: Path, output: Path | None) -> None:
    if output is not None and is_folder(root) and _same_path(root, output):
        raise HenshinError(f"'{output}' is both an input and the output folder; give another folder with -o")


def _is_earlier_output(path: Path, output: Path | None) -> bool:
    """Return whether an input is the output folder with results of an earlier run, as a shell expands ``-i *``."""
    return output is not None and is_folder(path) and _same_path(path, output) and is_file(output / FOLDER / RECORD)


def _same_path(one: Path, other: Path) -> bool:
    return _real_path(one) == _real_path(other)


def _real_path(path: Path) -> str:
    # Path.resolve would raise for a link to itself.
    return os.path.normcase(os.path.realpath(path))


# -- Inputs as typed -------------------------------------------------------------------------------------------------


def _roots(inputs: Sequence[Path | str]) -> list[_Root]:
    if not inputs:
        raise HenshinError("no input: name photos, folders or a glob with -i")
    single = len(inputs) == 1
    return [root for item in inputs for root in _expand(os.fspath(item), single)]


def _expand(text: str, single: bool) -> Iterable[_Root]:
    """Turn one input into files and folders. A glob is expanded only if no file has exactly that name."""
    path = Path(text)
    if text.startswith("~") and not os.path.lexists(path):
        path = path.expanduser()
    if os.path.lexists(path):
        name = Path(os.path.abspath(path)).name  # noqa: PTH100
        return [_Root(path, PurePosixPath() if single or not is_folder(path) else PurePosixPath(name))]
    fixed = _fixed_part(path)
    problem = access_problem(path) or access_problem(fixed)
    if not has_magic(text):
        raise HenshinError(problem or f"no such file or folder: '{text}'")
    matches = sorted(glob(os.fspath(path), recursive=True))  # noqa: PTH207
    if not matches:
        raise HenshinError(problem or f"nothing matches '{text}'")
    galleries: dict[Path, bool] = {}
    paths = [path for path in map(Path, matches) if not _is_in_gallery(path, fixed, galleries)]
    if not paths:
        raise HenshinError(f"'{text}' matches nothing but pictures of galleries, which are no photos")
    return [_Root(path, _relative_place(path, fixed)) for path in paths]


def _is_in_gallery(path: Path, above: Path, known: dict[Path, bool]) -> bool:
    """Return whether a path lies in a gallery below the folder ``above``; ``known`` keeps the answers for folders."""
    if path == above:
        return False
    if path not in known:
        known[path] = is_gallery(path) or _is_in_gallery(path.parent, above, known)
    return known[path]


def _fixed_part(path: Path) -> Path:
    """Return the folders before the first wildcard."""
    parts: list[str] = []
    for part in path.parts:
        if escape(part) != part and has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path()


def _relative_place(match: Path, fixed: Path) -> PurePosixPath:
    """Return the path of a glob's match below the fixed part of the glob; for a file, that of its folder."""
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
        if folder != root.path and _holds_results(folder, output):
            listing.excluded.append(str(folder))
            continue
        for entry in _visible_entries(folder, listing):
            place = (folder / entry.name, relative / entry.name)
            if not _leads_to_folder(entry):
                yield place
            elif entry.is_symlink():
                links.append(place)
            else:
                here.append(place)


def _visible_entries(folder: Path, listing: Listing) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        listing.unreadable.append((str(folder), f"cannot be listed: {error.strerror or error}"))
        return []


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
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


def _holds_results(folder: Path, output: Path | None) -> bool:
    """Return whether a folder holds the results of this run or of an earlier one, or shows them: a gallery."""
    if output is not None and _same_path(folder, output):
        return True
    return is_file(folder / FOLDER / RECORD) or is_gallery(folder)

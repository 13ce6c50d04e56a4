"""Where each result goes: names told apart before anything runs, so that no output ever lands on another's."""

from __future__ import annotations

import errno
import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from henshin.engine.preparation.input_files import SourceFile
from henshin.errors import HenshinError, PictureError
from henshin.files import exists, is_file, is_folder

if TYPE_CHECKING:
    from henshin.images import WriteOptions


Owner = Callable[[str], str | None]
"""From the key of an output's path to the key of the source that the record says it belongs to."""

Heir = Callable[[str, SourceFile], bool]
"""Whether what belongs to the source of this key is another source's now: the same photo at a new place."""

LAST_LEVEL = 4

WINDOWS = os.name == "nt"


def path_key(relative: str) -> str:
    """Return what two paths have in common when some file system takes them for the same: case and composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", relative).casefold())


def stem_of(relative: str) -> str:
    """Return the path without its last suffix: ``a/b.tar.jpg`` -> ``a/b.tar``."""
    path = PurePosixPath(relative)
    return (path.parent / path.stem).as_posix()


def variant(name: str, source: SourceFile, level: int) -> str:
    """Return ``name`` (an output's path without suffix) told apart: each level says more about the source.

    0 ``x``; 1 ``x.jpg``; 2 ``folder/x``; 3 ``folder/x.jpg``; 4 ``x-1f2e3d4c`` from the source's whole path.
    """
    if level >= LAST_LEVEL:
        return f"{name}-{hashlib.sha256(os.fsencode(source.key)).hexdigest()[:8]}"
    suffix = source.suffix if level in (1, 3) else ""
    folder = f"{source.label}/" if level in (2, 3) and source.label else ""
    return f"{folder}{name}{suffix}"


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace(os.sep, "/"))


def output_problem(name: str) -> str | None:
    """Say why an output cannot have this name (its path below the output folder, without suffix), or None."""
    path = _path(name)
    # To Windows "C:x" is a place on another drive, and "x:y" a part of the file x.
    strange = "\0" in name or (WINDOWS and ":" in name)
    if path.name and not path.is_absolute() and ".." not in path.parts and not strange:
        return None
    return f"'{name}' is no name for an output: it must be a place below the output folder"


class Names:
    """The names of one run's outputs: one for each source beforehand, and one for each result as it is written.

    ``suffix_of`` says which suffix a source's output will have as far as its own suffix tells; ``owner`` which source
    an output of an earlier run belongs to: it is left to it, unless ``inherits``. ``forbidden`` holds keys that are
    never written (inputs that lie in the output folder).
    """

    def __init__(
        self,
        sources: Sequence[SourceFile],
        suffix_of: Callable[[SourceFile], str],
        owner: Owner = lambda _: None,
        forbidden: Iterable[str] = (),
        inherits: Heir = lambda _owner, _source: False,
    ) -> None:
        self._owner = owner
        self._inherits = inherits
        self._forbidden = frozenset(forbidden)
        self._levels = _tell_apart(sources, suffix_of, self._taken)
        self._claims = {path_key(self.predicted(source) + suffix_of(source)): source.key for source in sources}
        self._written: dict[str, str] = {}

    def predicted(self, source: SourceFile) -> str:
        """Return the name (without suffix) that a source's frame starts with."""
        return variant(stem_of(source.relative), source, self._levels.get(source.key, 0))

    def is_renamed(self, source: SourceFile) -> bool:
        """Whether a source's output has not the plain name, for another one has or would have it."""
        return self._levels.get(source.key, 0) > 0

    def claim(self, source: SourceFile, name: str, suffix: str) -> str:
        """Return the path, below the output folder, for a result that calls itself ``name``; it is nobody else's.

        Errors: PictureError for a name that leaves the output folder.
        """
        problem = output_problem(name)
        if problem:
            raise PictureError(problem)
        clean = _path(name).as_posix()
        for level in range(LAST_LEVEL + 1):
            relative = variant(clean, source, level) + suffix
            key = path_key(relative)
            if self._written.get(key) == source.key:
                # A stage made two pictures of this source and called both the same.
                return self.claim(source, _next(clean), suffix)
            if self._free(key, source):
                self._written[key] = source.key
                return relative
        return self.claim(source, _next(variant(clean, source, LAST_LEVEL)), suffix)

    def _free(self, key: str, source: SourceFile) -> bool:
        mine = self._claims.get(key, source.key) == source.key and key not in self._written
        return mine and not self._taken(key, source)

    def _taken(self, key: str, source: SourceFile) -> bool:
        owner = self._owner(key)
        anothers = owner is not None and owner != source.key and not self._inherits(owner, source)
        return key in self._forbidden or anothers


def _next(name: str) -> str:
    """Return ``x-2`` for ``x``, ``x-2-2`` for that, and so on."""
    return f"{name}-2"


def _tell_apart(
    sources: Sequence[SourceFile], suffix_of: Callable[[SourceFile], str], taken: Callable[[str, SourceFile], bool]
) -> dict[str, int]:
    """Return the level of each source whose name must say more. Sources that share a name all move up together.

    Only one whose output is called as itself (``x.png`` among ``x.png`` and ``x.jpg``) keeps that name. So the result
    does not depend on the order of the listing. What goes up may meet yet another name, hence the loop; it ends
    because names of the last level are unique.
    """
    levels: dict[str, int] = {}
    keys = {source.key: _key(source, 0, suffix_of) for source in sources}
    while True:
        shared = _shared(sources, keys, levels)
        folders = _folders(keys.values()) if len(keys) > 1 else frozenset()
        clashing = [
            source
            for source in sources
            if levels.get(source.key, 0) < LAST_LEVEL
            and (source.key in shared or keys[source.key] in folders or taken(keys[source.key], source))
        ]
        if not clashing:
            return levels
        for source in clashing:
            levels[source.key] = levels.get(source.key, 0) + 1
            keys[source.key] = _key(source, levels[source.key], suffix_of)


def _shared(sources: Sequence[SourceFile], keys: dict[str, str], levels: dict[str, int]) -> frozenset[str]:
    """Return the sources that have to leave a name to others."""
    groups: dict[str, list[SourceFile]] = {}
    for source in sources:
        groups.setdefault(keys[source.key], []).append(source)
    leave: set[str] = set()
    for key, group in groups.items():
        if len(group) < 2:
            continue
        at = {source.key: levels.get(source.key, 0) for source in group}
        named_so = [one.key for one in group if at[one.key] == 0 and key == path_key(one.relative)]
        # What has come to its last level cannot give way any more.
        stays = named_so if len(named_so) == 1 and max(at.values()) < LAST_LEVEL else []
        leave.update(at.keys() - set(stays))
    return frozenset(leave)


def _key(source: SourceFile, level: int, suffix_of: Callable[[SourceFile], str]) -> str:
    return path_key(variant(stem_of(source.relative), source, level) + suffix_of(source))


def _folders(keys: Iterable[str]) -> frozenset[str]:
    """Return every folder on the way to the outputs: a file cannot have its name."""
    folders: set[str] = set()
    for key in keys:
        parent = key.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return frozenset(folders)


DEFAULT_FOLDER = "henshin-out"


@dataclass(frozen=True)
class Target:
    """Where results go and how they are written.

    ``stem`` and ``suffix`` are set for ``-i a.jpg -o b.png``: ``folder`` is that of the file then, and no record is
    kept in it, for it is not a folder of results.
    """

    folder: Path
    write: WriteOptions
    stem: str | None = None
    suffix: str | None = None

    @property
    def record(self) -> Path | None:
        """The folder that holds the record, or None where none is kept."""
        return self.folder if self.stem is None else None

    @property
    def shown(self) -> str:
        """The output as a user knows it."""
        return str(self.folder if self.stem is None else self.folder / f"{self.stem}{self.suffix}")

    def format_for(self, own: str | None) -> str:
        """Return the format in which a picture of format ``own`` (None: of no file) is written."""
        from henshin import images

        return images.output_format(own, self.write.format)

    def suffix_for(self, fmt: str, original: str) -> str:
        """Return the suffix of an output in a format; ``original`` is that of its input."""
        from henshin import images

        return self.suffix or images.suffix_for(fmt, original)

    def expected_suffix(self, source: SourceFile) -> str:
        """Return the suffix that the output of a file will have, as its first bytes tell."""
        from henshin import images

        return self.suffix_for(self.format_for(images.format_of(source.path)), source.suffix)


def resolve_target(
    output: Path | str | None, pipeline: str, inputs: Sequence[Path | str], write: WriteOptions
) -> Target:
    """Turn ``-o`` into a target: ``./henshin-out/PIPELINE`` without one. What ends with a slash is a folder.

    Errors: HenshinError when a picture is named for several inputs, when its suffix is of no format that can be
    written, of none at all or of another one than asked for, and when a file is in the way. MissingError for a format
    that this installation cannot write.
    """
    from henshin import images

    if write.format is not None:
        images.output_format(None, write.format)
    if output is None:
        return Target(Path(DEFAULT_FOLDER) / pipeline, write)
    slash = os.fspath(output).endswith(("/", os.sep))
    output = Path(output)
    if is_folder(output):
        return Target(output, write)
    if output.suffix.lower() in images.FORMATS and not slash:
        return _single(output, inputs, write)
    if exists(output):
        raise HenshinError(f"'{output}' is a file; -o wants a folder, or a picture's name for a single input")
    if output.suffix and not slash and len(inputs) == 1 and is_file(inputs[0]):
        known = ", ".join(images.WRITABLE.values())
        raise HenshinError(
            f"'{output}' ends in '{output.suffix}', which is no format of pictures: {known}; "
            f"if it is to be a folder, say -o '{output}/'"
        )
    return Target(output, write)


def _single(output: Path, inputs: Sequence[Path | str], write: WriteOptions) -> Target:
    from henshin import images

    if len(inputs) != 1 or not is_file(inputs[0]):
        raise HenshinError(f"'{output}' names one picture, and the input is not a single file; give a folder with -o")
    if exists(output) and output.samefile(inputs[0]):
        raise HenshinError(f"'{output}' is both input and output; give another name with -o")
    _refuse_locked(output.parent)
    try:
        fmt = images.output_format(None, output.suffix)
    except ValueError as error:
        raise HenshinError(f"'{output}': {error}") from None
    if write.format not in (None, fmt):
        raise HenshinError(f"'{output}' asks for {fmt} and --format for {write.format}; leave one of them out")
    return Target(output.parent, write.model_copy(update={"format": fmt}), output.stem, output.suffix)


def _refuse_locked(folder: Path) -> None:
    """Say before anything runs that nothing can be written to a folder, or that it cannot be made."""
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    if is_folder(there) and os.access(there, os.W_OK | os.X_OK):
        return
    reason = os.strerror(errno.EACCES if is_folder(there) else errno.ENOTDIR)
    raise HenshinError(f"cannot write to the output folder '{folder}': {reason}")

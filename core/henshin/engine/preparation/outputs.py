"""The output paths of a run: unique names, chosen before anything runs, and the target that ``-o`` names."""

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
"""Maps the ``path_key`` of an output to the key of the source that it belongs to by the record, or to None."""

Inherits = Callable[[str, SourceFile], bool]
"""Returns whether a source takes over the outputs of another (by its key): the same photo at a new path."""

DEFAULT_FOLDER = "henshin-out"

LAST_LEVEL = 4

WINDOWS = os.name == "nt"


def path_key(relative: str) -> str:
    """Return a key that is equal for paths that differ only in case or Unicode normal form.

    Some file systems take such paths for the same file.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", relative).casefold())


def stem_of(relative: str) -> str:
    """Return a path without its last suffix: ``a/b.tar.jpg`` -> ``a/b.tar``."""
    path = PurePosixPath(relative)
    return (path.parent / path.stem).as_posix()


def variant(name: str, source: SourceFile, level: int) -> str:
    """Return ``name`` (an output's path without suffix) with more of the source in it the higher the level.

    0 ``x``; 1 ``x.jpg``; 2 ``folder/x``; 3 ``folder/x.jpg``; 4 ``x-1f2e3d4c``, a hash of the source's whole path.
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
    # On Windows "C:x" is a path on another drive, and "x:y" a stream of the file x.
    forbidden = "\0" in name or (WINDOWS and ":" in name)
    if path.name and not path.is_absolute() and ".." not in path.parts and not forbidden:
        return None
    return f"'{name}' is no name for an output: it must be a place below the output folder"


class OutputNames:
    """The names of one run's outputs: one for each source beforehand, and one for each result as it is written.

    ``suffix_of`` returns the suffix that the output of a source is expected to have; ``owner`` the source of an output
    of an earlier run: only that one may write it, and a source that takes its outputs over (``inherits``).
    ``forbidden`` holds keys that are never written (inputs that lie in the output folder).
    """

    def __init__(
        self,
        sources: Sequence[SourceFile],
        suffix_of: Callable[[SourceFile], str],
        owner: Owner = lambda _: None,
        forbidden: Iterable[str] = (),
        inherits: Inherits = lambda _owner, _source: False,
    ) -> None:
        self._owner = owner
        self._inherits = inherits
        self._forbidden = frozenset(forbidden)
        self._levels = _resolve_clashes(sources, suffix_of, self._is_reserved)
        self._expected = {path_key(self.predicted(source) + suffix_of(source)): source.key for source in sources}
        self._claimed: dict[str, str] = {}

    def predicted(self, source: SourceFile) -> str:
        """Return the name (without suffix) that a source's frame starts with."""
        return variant(stem_of(source.relative), source, self._levels.get(source.key, 0))

    def is_renamed(self, source: SourceFile) -> bool:
        """Return whether a source's output has a longer name because another one has or would have its plain name."""
        return self._levels.get(source.key, 0) > 0

    def claim(self, source: SourceFile, name: str, suffix: str) -> str:
        """Return the path below the output folder for a result named ``name``; no other result gets the same.

        Errors: PictureError for a name that leaves the output folder.
        """
        problem = output_problem(name)
        if problem:
            raise PictureError(problem)
        clean = _path(name).as_posix()
        for level in range(LAST_LEVEL + 1):
            relative = variant(clean, source, level) + suffix
            key = path_key(relative)
            if self._claimed.get(key) == source.key:
                # A stage made two pictures of this source with the same name.
                return self.claim(source, _numbered(clean), suffix)
            if self._is_free(key, source):
                self._claimed[key] = source.key
                return relative
        return self.claim(source, _numbered(variant(clean, source, LAST_LEVEL)), suffix)

    def _is_free(self, key: str, source: SourceFile) -> bool:
        claimable = self._expected.get(key, source.key) == source.key and key not in self._claimed
        return claimable and not self._is_reserved(key, source)

    def _is_reserved(self, key: str, source: SourceFile) -> bool:
        owner = self._owner(key)
        foreign = owner is not None and owner != source.key and not self._inherits(owner, source)
        return key in self._forbidden or foreign


def _numbered(name: str) -> str:
    """Return ``x-2`` for ``x``, ``x-2-2`` for that, and so on."""
    return f"{name}-2"


def _resolve_clashes(
    sources: Sequence[SourceFile],
    suffix_of: Callable[[SourceFile], str],
    is_reserved: Callable[[str, SourceFile], bool],
) -> dict[str, int]:
    """Return the level (see ``variant``) of each source that cannot have its plain name.

    All sources that share a name go up by one level together, so that the result does not depend on the order of the
    listing. One of them keeps the name if it is exactly that of its own file (``x.png`` among ``x.png`` and
    ``x.jpg``). A longer name may clash again, hence the loop; it ends because names of the last level are unique.
    """
    levels: dict[str, int] = {}
    keys = {source.key: _key(source, 0, suffix_of) for source in sources}
    while True:
        shared = _clashing_sources(sources, keys, levels)
        folders = _parent_folders(keys.values()) if len(keys) > 1 else frozenset()
        clashing = [
            source
            for source in sources
            if levels.get(source.key, 0) < LAST_LEVEL
            and (source.key in shared or keys[source.key] in folders or is_reserved(keys[source.key], source))
        ]
        if not clashing:
            return levels
        for source in clashing:
            levels[source.key] = levels.get(source.key, 0) + 1
            keys[source.key] = _key(source, levels[source.key], suffix_of)


def _clashing_sources(sources: Sequence[SourceFile], keys: dict[str, str], levels: dict[str, int]) -> frozenset[str]:
    """Return the keys of sources that share a name with others and must be renamed."""
    groups: dict[str, list[SourceFile]] = {}
    for source in sources:
        groups.setdefault(keys[source.key], []).append(source)
    renamed: set[str] = set()
    for key, group in groups.items():
        if len(group) < 2:
            continue
        at = {source.key: levels.get(source.key, 0) for source in group}
        exact = [one.key for one in group if at[one.key] == 0 and key == path_key(one.relative)]
        # A source at the last level cannot be renamed any further.
        unchanged = exact if len(exact) == 1 and max(at.values()) < LAST_LEVEL else []
        renamed.update(at.keys() - set(unchanged))
    return frozenset(renamed)


def _key(source: SourceFile, level: int, suffix_of: Callable[[SourceFile], str]) -> str:
    return path_key(variant(stem_of(source.relative), source, level) + suffix_of(source))


def _parent_folders(keys: Iterable[str]) -> frozenset[str]:
    """Return every folder above the outputs: no file can have the name of one."""
    folders: set[str] = set()
    for key in keys:
        parent = key.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return frozenset(folders)


def renamed_note(number: int) -> str:
    """Return a note on the number of outputs with longer names than usual, with the reason."""
    if number == 1:
        return "1 output has a longer name, for its plain one would meet another's (-v names it)"
    return f"{number} outputs have longer names, for their plain ones would meet others' (-v names them)"


@dataclass(frozen=True)
class Target:
    """The output folder or file of a run, and the options of the encoder.

    ``stem`` and ``suffix`` are set for a single output file (``-i a.jpg -o b.png``): ``folder`` is then that of the
    file, and no record is kept in it.
    """

    folder: Path
    write: WriteOptions
    stem: str | None = None
    suffix: str | None = None

    @property
    def record(self) -> Path | None:
        """The output folder that has a record, or None where none is kept."""
        return self.folder if self.stem is None else None

    @property
    def display_path(self) -> str:
        """Path of the folder, or of the single file, for messages."""
        return str(self.folder if self.stem is None else self.folder / f"{self.stem}{self.suffix}")

    def format_for(self, own: str | None) -> str:
        """Return the format of the output of a picture whose file has the format ``own`` (None: it has no file)."""
        from henshin import images

        return images.output_format(own, self.write.format)

    def suffix_for(self, fmt: str, original: str) -> str:
        """Return the suffix of an output in a format; ``original`` is the suffix of its input."""
        from henshin import images

        return self.suffix or images.suffix_for(fmt, original)

    def expected_suffix(self, source: SourceFile) -> str:
        """Return the suffix that the output of a file will have, from the format in its first bytes."""
        from henshin import images

        return self.suffix_for(self.format_for(images.format_of(source.path)), source.suffix)


def resolve_target(
    output: Path | str | None, pipeline: str, inputs: Sequence[Path | str], write: WriteOptions
) -> Target:
    """Return the target that ``-o`` names; without it, the folder ``./henshin-out/PIPELINE``.

    A path that ends with a slash is a folder. Errors: HenshinError for a picture's name with several inputs, for a
    suffix that is no format that can be written or another one than asked for, and for a file in place of the folder;
    MissingError for a format that this installation cannot write.
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
        return _single_file(output, inputs, write)
    if exists(output):
        raise HenshinError(f"'{output}' is a file; -o wants a folder, or a picture's name for a single input")
    if output.suffix and not slash and len(inputs) == 1 and is_file(inputs[0]):
        known = ", ".join(images.WRITABLE.values())
        raise HenshinError(
            f"'{output}' ends in '{output.suffix}', which is no format of pictures: {known}; "
            f"if it is to be a folder, say -o '{output}/'"
        )
    return Target(output, write)


def _single_file(output: Path, inputs: Sequence[Path | str], write: WriteOptions) -> Target:
    from henshin import images

    if len(inputs) != 1 or not is_file(inputs[0]):
        raise HenshinError(f"'{output}' names one picture, and the input is not a single file; give a folder with -o")
    if exists(output) and output.samefile(inputs[0]):
        raise HenshinError(f"'{output}' is both input and output; give another name with -o")
    _check_writable(output.parent)
    try:
        fmt = images.output_format(None, output.suffix)
    except ValueError as error:
        raise HenshinError(f"'{output}': {error}") from None
    if write.format not in (None, fmt):
        raise HenshinError(f"'{output}' asks for {fmt} and --format for {write.format}; leave one of them out")
    return Target(output.parent, write.model_copy(update={"format": fmt}), output.stem, output.suffix)


def _check_writable(folder: Path) -> None:
    """Check that a folder can be written to, or be made. Errors: HenshinError."""
    existing = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    if is_folder(existing) and os.access(existing, os.W_OK | os.X_OK):
        return
    reason = os.strerror(errno.EACCES if is_folder(existing) else errno.ENOTDIR)
    raise HenshinError(f"cannot write to the output folder '{folder}': {reason}")

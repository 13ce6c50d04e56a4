"""Where each result goes: names told apart before anything runs, so that no output ever lands on another's."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from henshin.engine.inputs import Source
from henshin.errors import PictureError

Owner = Callable[[str], str | None]
"""From the key of an output's path to the key of the source that the record says it belongs to."""
Heir = Callable[[str, Source], bool]
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


def variant(name: str, source: Source, level: int) -> str:
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
        sources: Sequence[Source],
        suffix_of: Callable[[Source], str],
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

    def predicted(self, source: Source) -> str:
        """Return the name (without suffix) that a source's frame starts with."""
        return variant(stem_of(source.relative), source, self._levels.get(source.key, 0))

    def is_renamed(self, source: Source) -> bool:
        """Whether a source's output has not the plain name, for another one has or would have it."""
        return self._levels.get(source.key, 0) > 0

    def claim(self, source: Source, name: str, suffix: str) -> str:
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

    def _free(self, key: str, source: Source) -> bool:
        mine = self._claims.get(key, source.key) == source.key and key not in self._written
        return mine and not self._taken(key, source)

    def _taken(self, key: str, source: Source) -> bool:
        owner = self._owner(key)
        anothers = owner is not None and owner != source.key and not self._inherits(owner, source)
        return key in self._forbidden or anothers


def _next(name: str) -> str:
    """Return ``x-2`` for ``x``, ``x-2-2`` for that, and so on."""
    return f"{name}-2"


def _tell_apart(
    sources: Sequence[Source], suffix_of: Callable[[Source], str], taken: Callable[[str, Source], bool]
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


def _shared(sources: Sequence[Source], keys: dict[str, str], levels: dict[str, int]) -> frozenset[str]:
    """Return the sources that have to leave a name to others."""
    groups: dict[str, list[Source]] = {}
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


def _key(source: Source, level: int, suffix_of: Callable[[Source], str]) -> str:
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

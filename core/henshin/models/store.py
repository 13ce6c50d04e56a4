"""From a model's name to its file: where models lie, in which order they are looked for, how a missing one is had."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from henshin.errors import HenshinError, MissingError, WrongModelError
from henshin.manifest import hash_file
from henshin.models.contract import SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import INDEX_NAME, Entry, read_index
from henshin.packaged import data_folder
from henshin.places import barred, exists, is_file, is_folder
from henshin.stage import ANY_MODEL, ModelOption
from henshin.words import near_or_all

if TYPE_CHECKING:
    from henshin.models.download import Progress

FOLDER_VARIABLE = "HENSHIN_MODELS"
SUFFIX = ".onnx"

Source = Literal["exported", "user", "packaged", "download"]


@dataclass(frozen=True, slots=True)
class Found:
    """A model that is at hand."""

    name: str
    path: Path
    contract: Contract


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of models. ``path`` is None for one that is not on this machine but can be downloaded.

    ``kind`` is the contract's, or that of the entry ("detector"), or "unknown" for a file that has no contract;
    ``problem`` says what is wrong with a file that cannot be used.
    """

    name: str
    kind: str
    source: Source
    path: Path | None = None
    contract: Contract | None = None
    entry: Entry | None = None
    problem: str | None = None


class ModelStore:
    """Looks for models in ``./exported``, the user's folder, and what came with the package, in this order.

    ``local``, ``user`` and ``packaged`` replace these three folders. The user's is ``$HENSHIN_MODELS``, else
    ``models`` in the folder for data that the system gives henshin. Nothing is ever downloaded but by ``pull``.
    """

    def __init__(self, *, local: Path | None = None, user: Path | None = None, packaged: Path | None = None) -> None:
        self.user = user or user_folder()
        self.folders: dict[Source, Path] = {
            "exported": local or Path.cwd() / "exported",
            "user": self.user,
            "packaged": packaged or data_folder("exported"),
        }
        self._entries: dict[str, Entry] | None = None

    @property
    def entries(self) -> dict[str, Entry]:
        """What the folders' lists say, by name; an earlier folder's word counts. Errors: HenshinError."""
        if self._entries is None:
            self._entries = {}
            for folder in self.folders.values():
                for entry in read_index(folder):
                    self._entries.setdefault(entry.name, entry)
        return self._entries

    def find(self, name: str, base: Path | None = None, scale: float | None = None) -> Found:
        """Find a model by its name, or by the path of its .onnx file (relative to ``base``, else to where we are).

        A multi-scale NAME stands for NAME-x2, NAME-x3, ...: the smallest of at least ``scale`` is taken, or the
        largest there is; without ``scale`` the smallest.
        Errors: MissingError when it is not at hand, with near names and how to get it; HenshinError when its file
        is unsound or says nothing of itself.
        """
        if is_path(name):
            return self._described(name, self.file(name, base))
        exact = self._locate(name)
        family = {} if exact is not None else self.scales(name)
        if not family:
            return self._described(name, exact or self.file(name))
        enough = [factor for factor in family if scale is None or factor >= scale]
        full_name = family[min(enough) if enough else max(family)]
        return self._described(full_name, self.file(full_name))

    def scales(self, name: str, base: Path | None = None) -> dict[int, str]:
        """Return the factors of a multi-scale model, each with its full name: {2: "NAME-x2", ...}.

        An ordinary model is its own only one. Empty if there is none of that name, here or for download.
        """
        if is_path(name) or self._locate(name) is not None:
            found = self.find(name, base)
            return {found.contract.scale: name}
        pattern = re.compile(re.escape(name) + r"-x([1-9]\d*)")
        matches = [match for other in self._names() if (match := pattern.fullmatch(other))]
        return {int(match[1]): match[0] for match in sorted(matches, key=lambda match: int(match[1]))}

    def family(self, name: str, base: Path | None = None) -> Sequence[Found]:
        """Find all that a name stands for: an ordinary model alone, of a multi-scale one every scale.

        Errors: those of ``find``.
        """
        names = {} if is_path(name) or self._locate(name) is not None else self.scales(name)
        return [self.find(one, base) for one in names.values() or [name]]

    def file(self, name: str, base: Path | None = None) -> Path:
        """Return the file of a model, or of any listed ONNX network (a detector); its contract is not asked for.

        Errors: MissingError, with near names and how to get it; WrongModelError for a path that may not be looked at.
        """
        path = self._locate(name, base)
        if path is not None:
            return path
        if is_path(name):
            problem = next(filter(None, map(barred, _places(name, base))), None)
            if problem:
                raise WrongModelError(problem)
            places = " or ".join(str(place) for place in _places(name, base))
            raise MissingError(f"there is no model file {places}")
        entry = self.entries.get(name)
        if entry is not None and entry.url is not None:
            raise MissingError(f"model '{name}' is not on this machine; get it with: henshin models pull {name}")
        if entry is not None:
            raise MissingError(f"model '{name}' is listed, but its file {entry.file} is not there")
        raise self.unknown(name, self._names())

    def problem(self, name: str, base: Path | None = None, option: ModelOption = ANY_MODEL) -> HenshinError | None:
        """Return why a model cannot be the value of an option (``henshin.models.fit``), or None."""
        from henshin.models.fit import problem

        return problem(self, name, base, option)

    def contract(self, name: str, base: Path | None = None) -> Contract | None:
        """Return what is known of a network: the contract in or beside its file, or in the list; None if it has none.

        Errors: those of ``file``, where it is not listed either.
        """
        entry = None if is_path(name) else self.entries.get(name)
        path = self._locate(name, base)
        own = None if path is None else read_contract(path)
        return own or (entry.contract if entry is not None else None)

    def knows(self, name: str) -> bool:
        """Whether a name is that of a model, here or for download (of a multi-scale one at any scale), or a path."""
        return is_path(name) or name in self.entries or self._locate(name) is not None or bool(self.scales(name))

    def unknown(self, name: str, choices: Iterable[str]) -> MissingError:
        """Return the error for a name that no model has, with those that would be right."""
        unseen = [problem for folder in self.folders.values() if (problem := barred(folder))]
        return MissingError("; ".join([f"no model named '{name}'{near_or_all(name, choices)}", *unseen]))

    def list(self) -> Sequence[Listed]:
        """Return every model that is at hand or can be downloaded, by name; of equal names the one that is used."""
        listed: dict[str, Listed] = {}
        for source, folder in self.folders.items():
            for name in _names_in(folder, self.entries):
                if name not in listed:
                    listed[name] = self._line(name, source)
        for name, entry in self.entries.items():
            if name not in listed and entry.url is not None:
                listed[name] = Listed(name, entry.kind, "download", contract=entry.contract, entry=entry)
        return [listed[name] for name in sorted(listed)]

    def pull(
        self, name: str, output: Path | None = None, force: bool = False, progress: Progress | None = None
    ) -> Path:
        """Download a listed model to ``output`` (a folder), else to the user's folder, checked by its hash.

        One that is there already and whole is left as it is. Errors: MissingError when there is no such model, no
        address or no network; HenshinError when another file has its name, or what came is not what is listed.
        """
        from henshin.models.download import fetch

        entry = self.entries.get(name)
        if entry is None:
            with_address = [other.name for other in self.entries.values() if other.url]
            raise MissingError(f"no model named '{name}' can be downloaded{near_or_all(name, with_address)}")
        target = (output or self.user) / entry.file
        if exists(target) and not force:
            if hash_file(target) == entry.sha256:
                return target
            raise HenshinError(f"{target}: another file has this name; --force replaces it")
        fetch(entry, target, progress)
        return target

    def verify(self, name: str) -> Path:
        """Check a model's file against the hash in the list and return its path.

        Errors: MissingError when it is not at hand; HenshinError when it is not listed, or its hash is another.
        """
        path = self.file(name)
        entry = self.entries.get(name)
        if entry is None:
            raise HenshinError(f"model '{name}' is in no {INDEX_NAME}: there is no hash to check {path} against")
        actual = hash_file(path)
        if actual != entry.sha256:
            raise HenshinError(f"{path}: its sha256 is {actual}, but {entry.sha256} is listed")
        return path

    def _locate(self, name: str, base: Path | None = None) -> Path | None:
        if is_path(name):
            candidates = _places(name, base)
        else:
            files = [name + SUFFIX]
            if name in self.entries:
                files.insert(0, self.entries[name].file)
            candidates = [folder / file for folder in self.folders.values() for file in files]
        return next((path for path in candidates if is_file(path)), None)

    def _described(self, name: str, path: Path) -> Found:
        entry = None if is_path(name) else self.entries.get(name)
        contract = read_contract(path)
        if contract is None and entry is not None and entry.contract is not None:
            contract = entry.contract.model_copy(update={"name": entry.contract.name or name})
        if contract is None:
            raise HenshinError(
                f"{path}: has no contract, neither in its metadata nor in a {path.name}{SIDECAR_SUFFIX} beside it"
            )
        return Found(contract.name if is_path(name) else name, path, contract)

    def _names(self) -> tuple[str, ...]:
        here = {name for folder in self.folders.values() for name in _names_in(folder, self.entries)}
        return tuple(sorted(here | {name for name, entry in self.entries.items() if entry.url is not None}))

    def _line(self, name: str, source: Source) -> Listed:
        entry = self.entries.get(name)
        path = self._locate(name)
        if entry is not None and entry.kind == "detector":
            return Listed(name, entry.kind, source, path, None, entry)
        try:
            contract = self.find(name).contract
        except HenshinError as error:
            return Listed(name, entry.kind if entry else "unknown", source, path, None, entry, str(error))
        return Listed(name, contract.kind, source, path, contract, entry)


def user_folder() -> Path:
    """Return the user's folder of models: ``$HENSHIN_MODELS``, else the system's place for henshin's data."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("henshin", appauthor=False) / "models"


def is_path(name: str) -> bool:
    """Whether ``name`` is the path of a file and not the name of a model."""
    return name.endswith(SUFFIX) or "/" in name or os.sep in name


def _places(name: str, base: Path | None) -> list[Path]:
    """Where the file of a path may lie: beside the pipeline, or (`--set` on the command line) where we are."""
    path = Path(name).expanduser()
    if base is None or path.is_absolute():
        return [path]
    return list(dict.fromkeys([base / path, Path.cwd() / path]))


def _names_in(folder: Path, entries: dict[str, Entry]) -> Iterator[str]:
    """Yield the names of the models in a folder: a file's stem, or what the lists call it."""
    called = {entry.file: name for name, entry in entries.items()}
    if is_folder(folder):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if not path.name.startswith("."):
                yield called.get(path.name, path.stem)

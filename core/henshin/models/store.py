"""From a model's name to its file: where models lie, in which order they are looked for, how a missing one is had."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from henshin.errors import HenshinError, MissingError, WrongModelError
from henshin.files import barred, data_folder, hash_file, is_file, is_folder, user_folder
from henshin.models.contract import SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import INDEX_NAME, IndexEntry, Weights, read_index
from henshin.text import near_or_all, with_article

Location = Literal["exported", "user", "packaged"]
"""The folders in which models are looked for, first to last."""

SUFFIX = ".onnx"

CASCADE = ".xml"
"""Suffix of a detector that is no network."""

_SCALED = re.compile(r"(.+)-x([1-9]\d*)")
"""The name of a multi-scale model at one scale: NAME-x2."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that is at hand. Of a sampler of two models the file is that of the synthesis."""

    name: str
    path: Path
    contract: Contract
    mapping: ResolvedModel | None = None


class ModelStore:
    """Looks for models in ``./exported``, the user's folder, and what came with the package, in this order.

    ``local``, ``user`` and ``packaged`` replace these three folders. The user's is ``$HENSHIN_MODELS``, else
    ``models`` in the folder for data that the system gives henshin. Nothing is ever downloaded here; that is what
    ``henshin.models.download`` does.
    """

    def __init__(self, *, local: Path | None = None, user: Path | None = None, packaged: Path | None = None) -> None:
        self.user = user or user_folder()
        self.folders: dict[Location, Path] = {
            "exported": local or Path.cwd() / "exported",
            "user": self.user,
            "packaged": packaged or data_folder("exported"),
        }
        self._lists: tuple[dict[str, IndexEntry], dict[str, Weights]] | None = None

    @property
    def entries(self) -> dict[str, IndexEntry]:
        """The models in the folders' lists, by name; an earlier folder's word counts. Errors: HenshinError."""
        return self._read()[0]

    @property
    def weights(self) -> dict[str, Weights]:
        """The weights in the folders' lists, that become models when they are imported. Errors: HenshinError."""
        return self._read()[1]

    def _read(self) -> tuple[dict[str, IndexEntry], dict[str, Weights]]:
        if self._lists is None:
            indices = [read_index(folder) for folder in reversed(self.folders.values())]
            self._lists = (
                {entry.name: entry for index in indices for entry in index.models},
                {weights.name: weights for index in indices for weights in index.weights},
            )
        return self._lists

    def weights_for(self, name: str) -> Weights | None:
        """Return the weights from which a model of this name is imported, or all of the models of this name."""
        return next((one for one in self.weights.values() if name in (one.name, *one.models)), None)

    def find(self, name: str, base: Path | None = None, scale: float | None = None) -> ResolvedModel:
        """Find a model by its name, or by the path of its .onnx file (relative to ``base``, else to where we are).

        A multi-scale NAME stands for NAME-x2, NAME-x3, ...: the smallest of at least ``scale`` is taken, or the
        largest there is; without ``scale`` the smallest. NAME of NAME-mapping and NAME-synthesis is both, a sampler.
        Errors: MissingError when it is not at hand, with near names and how to get it; HenshinError when its file
        is unsound or says nothing of itself.
        """
        if pair := self.halves(name, base):
            return join_halves(name, *(self._read_model(one, self.file(one, base)) for one in pair))
        if is_path(name):
            return self._read_model(name, self.file(name, base))
        exact = self.find_file(name)
        family = {} if exact is not None else self.scales(name)
        if not family:
            return self._read_model(name, exact or self.file(name))
        enough = [factor for factor in family if scale is None or factor >= scale]
        full_name = family[min(enough) if enough else max(family)]
        return self._read_model(full_name, self.file(full_name))

    def scales(self, name: str, base: Path | None = None) -> dict[int, str]:
        """Return the factors of a multi-scale model, each with its full name: {2: "NAME-x2", ...}.

        An ordinary model is its own only one. Empty if there is none of that name, here or for download.
        """
        if is_path(name) or self.find_file(name) is not None:
            found = self.find(name, base)
            return {found.contract.scale: name}
        matches = [match for other in self._names() if (match := _SCALED.fullmatch(other)) and match[1] == name]
        return dict(sorted((int(match[2]), match[0]) for match in matches))

    def halves(self, name: str, base: Path | None = None) -> tuple[str, ...]:
        """Return (NAME-mapping, NAME-synthesis) when ``name`` stands for these two; see ``halves``."""
        return halves(self, name, base)

    def family(self, name: str, base: Path | None = None) -> Sequence[ResolvedModel]:
        """Find all that a name stands for: an ordinary model alone, of a multi-scale one every scale, or both halves.

        Errors: those of ``find``.
        """
        return [self.find(one, base) for one in self.full_names(name, base)]

    def full_names(self, name: str, base: Path | None = None) -> tuple[str, ...]:
        """Return all that a name stands for: itself, NAME-x2, NAME-x3, ..., or NAME-mapping and NAME-synthesis."""
        if pair := self.halves(name, base):
            return pair
        if is_path(name) or name in self.entries or self.find_file(name) is not None:
            return (name,)
        return tuple(self.scales(name).values()) or (name,)

    def file(self, name: str, base: Path | None = None) -> Path:
        """Return the file of a model, or of any listed ONNX network (a detector); its contract is not asked for.

        Errors: MissingError, with near names and how to get it; WrongModelError for a path that may not be looked at.
        """
        path = self.find_file(name, base)
        if path is not None:
            return path
        if is_path(name):
            problem = next(filter(None, map(barred, _candidate_paths(name, base))), None)
            if problem:
                raise WrongModelError(problem)
            places = " or ".join(str(place) for place in _candidate_paths(name, base))
            raise MissingError(f"there is no model file {places}")
        raise self._missing_error(name)

    def _missing_error(self, name: str) -> MissingError:
        """Return the error for a model that is not at hand: how to get it, or that there is none of this name."""
        entry, weights = self.entries.get(name), self.weights_for(name)
        if entry is not None and entry.url is not None:
            return MissingError(f"model '{name}' is not on this machine; get it with: henshin models pull {name}")
        if weights is not None:
            some = any(self.find_file(one) is not None for one in weights.models)
            return MissingError(
                f"model '{name if some else weights.name}' is not on this machine; get it with: {weights.command}"
            )
        if entry is not None:
            return MissingError(f"model '{name}' is listed, but its file {entry.file} is not there")
        return self.unknown_model_error(name, self._names())

    def contract(self, name: str, base: Path | None = None) -> Contract | None:
        """Return what is known of a network: the contract in or beside its file, or in the list; None if it has none.

        Errors: those of ``file``, where it is not listed either.
        """
        entry = None if is_path(name) else self.entries.get(name)
        path = self.find_file(name, base)
        own = None if path is None or path.suffix == CASCADE else read_contract(path)
        return own or (entry.contract if entry is not None else None)

    def knows(self, name: str) -> bool:
        """Whether a name is that of a model, here or for download (of a multi-scale one at any scale), or a path."""
        here = is_path(name) or name in self.entries or self.find_file(name) is not None
        return here or bool(self.scales(name) or self.halves(name)) or self.weights_for(name) is not None

    def unknown_model_error(self, name: str, choices: Iterable[str]) -> MissingError:
        """Return the error for a name that no model has, with those that would be right.

        Of a scale that a multi-scale model does not have ("carn-m-x5") those that it has.
        """
        unseen = [problem for folder in self.folders.values() if (problem := barred(folder))]
        family = self.scales(match[1]) if (match := _SCALED.fullmatch(name)) else {}
        right = f"; there are: {', '.join(family.values())}" if family else near_or_all(name, choices)
        return MissingError("; ".join([f"no model named '{name}'{right}", *unseen]))

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

    def find_file(self, name: str, base: Path | None = None) -> Path | None:
        """Return the file of a model that is at hand, else None."""
        if is_path(name):
            candidates = _candidate_paths(name, base)
        else:
            files = [name + SUFFIX]
            if name in self.entries:
                files.insert(0, self.entries[name].file)
            candidates = [folder / file for folder in self.folders.values() for file in files]
        return next((path for path in candidates if is_file(path)), None)

    def _read_model(self, name: str, path: Path) -> ResolvedModel:
        entry = None if is_path(name) else self.entries.get(name)
        contract = read_contract(path)
        if contract is None and entry is not None and entry.contract is not None:
            contract = entry.contract.model_copy(update={"name": entry.contract.name or name})
        if contract is None:
            raise HenshinError(
                f"{path}: has no contract, neither in its metadata nor in a {path.name}{SIDECAR_SUFFIX} beside it"
            )
        return ResolvedModel(contract.name if is_path(name) else name, path, contract)

    def _names(self) -> tuple[str, ...]:
        here = {name for folder in self.folders.values() for name in self.names_in(folder)}
        listed = {name for name, entry in self.entries.items() if entry.url is not None}
        return tuple(sorted(here | listed | {name for one in self.weights.values() for name in one.models}))

    def names_in(self, folder: Path) -> Iterator[str]:
        """Yield the names of the models in a folder: a file's stem, or what the lists call it."""
        called = {entry.file: name for name, entry in self.entries.items()}
        if is_folder(folder) and barred(folder) is None:
            for path in sorted(folder.iterdir()):
                if path.name in called or (path.suffix == SUFFIX and not path.name.startswith(".")):
                    yield called.get(path.name, path.stem)


def is_path(name: str) -> bool:
    """Whether ``name`` is the path of a file and not the name of a model."""
    return name.endswith((SUFFIX, CASCADE)) or "/" in name or os.sep in name


def _candidate_paths(name: str, base: Path | None) -> list[Path]:
    """Where the file of a path may lie: beside the pipeline, or (`--set` on the command line) where we are."""
    path = Path(name).expanduser()
    if base is None or path.is_absolute():
        return [path]
    return list(dict.fromkeys([base / path, Path.cwd() / path]))


HALVES = ("mapping", "synthesis")


def halves(store: ModelStore, name: str, base: Path | None = None) -> tuple[str, ...]:
    """Return what a sampler's NAME (or path without its end) stands for: (NAME-mapping, NAME-synthesis), or nothing.

    Both must be here or for download. A model that itself has the name goes before.
    """
    stem, end = (name.removesuffix(SUFFIX), SUFFIX) if is_path(name) else (name, "")
    names = tuple(f"{stem}-{half}{end}" for half in HALVES)
    if store.find_file(name, base) is not None:
        return ()
    known = (one in store.entries or store.find_file(one, base) is not None for one in names)
    return names if all(known) else ()


def join_halves(name: str, mapping: ResolvedModel, synthesis: ResolvedModel) -> ResolvedModel:
    """Return a mapping and its synthesis as one sampler. Errors: HenshinError when one of them is something else."""
    for found, kind in zip((mapping, synthesis), HALVES, strict=True):
        if found.contract.kind != kind:
            actual, expected = with_article(found.contract.kind), with_article(kind)
            raise HenshinError(f"{found.path}: is {actual}, and by its name it would be {expected}")
    name = Path(name).stem if is_path(name) else name
    values = {"name": name, "kind": "sampler", "part": "", "latent_shape": mapping.contract.latent_shape}
    return ResolvedModel(name, synthesis.path, synthesis.contract.model_copy(update=values), mapping)


def names_of_pairs(names: Iterable[str]) -> list[str]:
    """Return the names of the samplers of which both halves are among these."""
    known = set(names)
    ends = tuple(f"-{half}" for half in HALVES)
    stems = sorted({one.removesuffix(ends[0]) for one in known if one.endswith(ends[0])} - known)
    return [stem for stem in stems if stem + ends[1] in known]

"""The store of models: it finds the file and contract of a model by its name, in the model folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from henshin.errors import HenshinError, MissingError, WrongModelError
from henshin.files import access_problem, data_folder, hash_file, is_file, is_folder, user_folder
from henshin.models.contract import SIDECAR_SUFFIX, Contract, read_contract
from henshin.models.index import INDEX_NAME, IndexEntry, Weights, read_index
from henshin.text import near_or_all, with_article

Location = Literal["exported", "user", "packaged"]
"""The folders of models, in the order in which they are searched."""

SUFFIX = ".onnx"

CASCADE = ".xml"
"""Suffix of a detector that is not a network."""

HALVES = ("mapping", "synthesis")
"""Kinds of the two models of a sampler, and the ends of their names."""

_SCALED = re.compile(r"(.+)-x([1-9]\d*)")
"""The name of a multi-scale model at one scale: NAME-x2."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model on this machine. For a sampler of two models ``path`` is the synthesis, ``mapping`` the other one."""

    name: str
    path: Path
    contract: Contract
    mapping: ResolvedModel | None = None


class ModelStore:
    """Finds models in ``./exported``, the user's folder and the packaged folder, in this order.

    ``local``, ``user`` and ``packaged`` replace these three folders; the user's folder is
    ``henshin.files.user_folder()``. The store downloads nothing: see ``henshin.models.download``.
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
        """Models in the folders' lists, by name. Of equal names the first folder's counts. Errors: HenshinError."""
        return self._read()[0]

    @property
    def weights(self) -> dict[str, Weights]:
        """Weights for import in the folders' lists, by name. Errors: HenshinError."""
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
        """Return the weights for import that give a model of this name, or have this name themselves; else None."""
        return next((one for one in self.weights.values() if name in (one.name, *one.models)), None)

    def find(self, name: str, base: Path | None = None, scale: float | None = None) -> ResolvedModel:
        """Find a model by its name, or by the path of its .onnx file (relative to ``base``, else to the current
        folder).

        A multi-scale NAME stands for NAME-x2, NAME-x3, ...: the smallest scale of at least ``scale`` is returned, else
        the largest; without ``scale`` the smallest. NAME of NAME-mapping and NAME-synthesis is both, as a sampler.
        Errors: MissingError if it is not on this machine, with near names or the command that gets it; HenshinError if
        its file is damaged or has no contract.
        """
        if pair := self.halves(name, base):
            return join_halves(name, *(self._read_model(half, self.file(half, base)) for half in pair))
        if is_path(name):
            return self._read_model(name, self.file(name, base))
        path = self.find_file(name)
        scales = {} if path is not None else self.scales(name)
        if not scales:
            return self._read_model(name, path or self.file(name))
        sufficient = [factor for factor in scales if scale is None or factor >= scale]
        full_name = scales[min(sufficient) if sufficient else max(scales)]
        return self._read_model(full_name, self.file(full_name))

    def scales(self, name: str, base: Path | None = None) -> dict[int, str]:
        """Return the scales of a multi-scale model with their full names: {2: "NAME-x2", ...}.

        An ordinary model has one scale and its own name. Empty if there is no such model, on this machine or for
        download.
        """
        if is_path(name) or self.find_file(name) is not None:
            return {self.find(name, base).contract.scale: name}
        matches = [match for other in self._names() if (match := _SCALED.fullmatch(other)) and match[1] == name]
        return dict(sorted((int(match[2]), match[0]) for match in matches))

    def halves(self, name: str, base: Path | None = None) -> tuple[str, ...]:
        """Return (NAME-mapping, NAME-synthesis) for the NAME of a sampler of two models, or its path; else ().

        Both must be on this machine or for download. A model that itself has the name comes first.
        """
        stem, suffix = (name.removesuffix(SUFFIX), SUFFIX) if is_path(name) else (name, "")
        names = tuple(f"{stem}-{half}{suffix}" for half in HALVES)
        if self.find_file(name, base) is not None:
            return ()
        known = (one in self.entries or self.find_file(one, base) is not None for one in names)
        return names if all(known) else ()

    def family(self, name: str, base: Path | None = None) -> Sequence[ResolvedModel]:
        """Find all models that a name stands for: one ordinary model, every scale of a multi-scale model, or both
        halves.

        Errors: those of ``find``.
        """
        return [self.find(one, base) for one in self.full_names(name, base)]

    def full_names(self, name: str, base: Path | None = None) -> tuple[str, ...]:
        """Return the full names of a name: itself, NAME-x2, NAME-x3, ..., or NAME-mapping and NAME-synthesis."""
        if pair := self.halves(name, base):
            return pair
        if is_path(name) or name in self.entries or self.find_file(name) is not None:
            return (name,)
        return tuple(self.scales(name).values()) or (name,)

    def file(self, name: str, base: Path | None = None) -> Path:
        """Return the file of a model, or of any listed ONNX network (a detector). It needs no contract.

        Errors: MissingError, with near names or the command that gets it; WrongModelError for a path that may not be
        read.
        """
        path = self.find_file(name, base)
        if path is not None:
            return path
        if is_path(name):
            problem = next(filter(None, map(access_problem, _candidate_paths(name, base))), None)
            if problem:
                raise WrongModelError(problem)
            paths = " or ".join(str(path) for path in _candidate_paths(name, base))
            raise MissingError(f"there is no model file {paths}")
        raise self._missing_error(name)

    def _missing_error(self, name: str) -> MissingError:
        """Return the error for a model without a file here: the command that gets it, or that the name is unknown."""
        entry, weights = self.entries.get(name), self.weights_for(name)
        if entry is not None and entry.url is not None:
            return MissingError(f"model '{name}' is not on this machine; get it with: henshin models pull {name}")
        if weights is not None:
            partial = any(self.find_file(model) is not None for model in weights.models)
            missing = name if partial else weights.name
            return MissingError(f"model '{missing}' is not on this machine; get it with: {weights.command}")
        if entry is not None:
            return MissingError(f"model '{name}' is listed, but its file {entry.file} is not there")
        return self.unknown_model_error(name, self._names())

    def contract(self, name: str, base: Path | None = None) -> Contract | None:
        """Return the contract in or next to a network's file, else that of the list; None if it has none.

        Errors: those of ``read_contract``.
        """
        entry = None if is_path(name) else self.entries.get(name)
        path = self.find_file(name, base)
        contract = None if path is None or path.suffix == CASCADE else read_contract(path)
        return contract or (entry.contract if entry is not None else None)

    def knows(self, name: str) -> bool:
        """Return whether a name is a path, or the name of a model on this machine or for download, at any scale."""
        here = is_path(name) or name in self.entries or self.find_file(name) is not None
        return here or bool(self.scales(name) or self.halves(name)) or self.weights_for(name) is not None

    def unknown_model_error(self, name: str, choices: Iterable[str]) -> MissingError:
        """Return the error for a name that no model has, with the near ones of ``choices``.

        For a missing scale of a multi-scale model ("carn-m-x5") it names the scales of that model.
        """
        unreadable = [problem for folder in self.folders.values() if (problem := access_problem(folder))]
        scales = self.scales(match[1]) if (match := _SCALED.fullmatch(name)) else {}
        hint = f"; there are: {', '.join(scales.values())}" if scales else near_or_all(name, choices)
        return MissingError("; ".join([f"no model named '{name}'{hint}", *unreadable]))

    def verify(self, name: str) -> Path:
        """Check a model's file against the hash in the list and return its path.

        Errors: MissingError if it is not on this machine; HenshinError if it is not listed, or its hash differs.
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
        """Return the file of a model if it is on this machine, else None."""
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
        local = {name for folder in self.folders.values() for name in self.names_in(folder)}
        downloads = {name for name, entry in self.entries.items() if entry.url is not None}
        imports = {name for weights in self.weights.values() for name in weights.models}
        return tuple(sorted(local | downloads | imports))

    def names_in(self, folder: Path) -> Iterator[str]:
        """Yield the names of the models in a folder: the name of a file in the lists, else its stem."""
        names = {entry.file: name for name, entry in self.entries.items()}
        if is_folder(folder) and access_problem(folder) is None:
            for path in sorted(folder.iterdir()):
                if path.name in names or (path.suffix == SUFFIX and not path.name.startswith(".")):
                    yield names.get(path.name, path.stem)


def is_path(name: str) -> bool:
    """Return whether ``name`` is the path of a file and not the name of a model."""
    return name.endswith((SUFFIX, CASCADE)) or "/" in name or os.sep in name


def _candidate_paths(name: str, base: Path | None) -> list[Path]:
    """Return the possible files of a path: relative to the pipeline, or (with `--set`) to the current folder."""
    path = Path(name).expanduser()
    if base is None or path.is_absolute():
        return [path]
    return list(dict.fromkeys([base / path, Path.cwd() / path]))


def join_halves(name: str, mapping: ResolvedModel, synthesis: ResolvedModel) -> ResolvedModel:
    """Return a mapping and its synthesis as one sampler. Errors: HenshinError if one of them is of another kind."""
    for found, kind in zip((mapping, synthesis), HALVES, strict=True):
        if found.contract.kind != kind:
            actual, expected = with_article(found.contract.kind), with_article(kind)
            raise HenshinError(f"{found.path}: is {actual}, and by its name it would be {expected}")
    name = Path(name).stem if is_path(name) else name
    values = {"name": name, "kind": "sampler", "part": "", "latent_shape": mapping.contract.latent_shape}
    return ResolvedModel(name, synthesis.path, synthesis.contract.model_copy(update=values), mapping)


def names_of_pairs(names: Iterable[str]) -> list[str]:
    """Return the names of the samplers whose two halves are both among these names."""
    known = set(names)
    ends = tuple(f"-{half}" for half in HALVES)
    stems = sorted({one.removesuffix(ends[0]) for one in known if one.endswith(ends[0])} - known)
    return [stem for stem in stems if stem + ends[1] in known]

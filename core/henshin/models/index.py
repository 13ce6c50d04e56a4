"""The list of models of a folder (models.yaml): each file with its hash, size and address.

`models:` lists the files of models; `weights:` lists published weights, which become models when they are imported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from henshin.config.yaml_reader import Node, load_yaml, to_python
from henshin.errors import HenshinError
from henshin.files import is_file, write_atomic
from henshin.models.contract import Contract, validation_message
from henshin.text import name_problem

INDEX_NAME = "models.yaml"


def _check_name(value: str) -> str:
    problem = name_problem(value)
    if problem:
        raise ValueError(problem)
    return value


PlainName = Annotated[str, AfterValidator(_check_name)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, StringConstraints(pattern=r"^(https?|file)://")]


class IndexLine(BaseModel):
    """The common fields of all entries of a list: a name, and a file with its hash and size."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: PlainName = Field(description="The name by which pipelines call it.")
    file: PlainName = Field(description="Its file, in the folder of the list or in the user's.")
    sha256: Sha256 = Field(description="Hash of the file.")
    size: int = Field(ge=1, description="Bytes of the file.")


class IndexEntry(IndexLine):
    """One model of a list: its file with hash and size, its address, its kind and its origin."""

    kind: Literal["translator", "sampler", "mapping", "synthesis", "encoder", "detector", "features"] = "translator"
    contract: Contract | None = Field(default=None, description="The contract of a foreign file that carries none.")
    url: Address | None = Field(default=None, description="Where `henshin models pull` gets it.")
    description: str = ""
    run: str = Field(default="", description="How it was trained, or whose it is.")
    data: str = Field(default="", description="On what data it was trained.")
    licence: str = Field(default="", description="Licence of the weights.")


class Weights(IndexLine):
    """Published weights: `henshin models pull` downloads the file and imports it, which needs torch.

    The file itself is not kept. NAME becomes the model NAME, or with `scales` the models NAME-x2, NAME-x3, ...
    """

    url: Address = Field(description="Where `henshin models pull` gets the file.")
    scales: tuple[Annotated[int, Field(ge=2)], ...] = Field(default=(), description="The scales of its models, if any.")
    description: str = ""
    run: str = Field(default="", description="Whose they are.")
    data: str = Field(default="", description="On what data they were trained.")
    licence: str = Field(default="", description="Licence of the weights.")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that the weights become."""
        return tuple(f"{self.name}-x{scale}" for scale in self.scales) or (self.name,)

    @property
    def command(self) -> str:
        """The commands that get these models, in words."""
        return (
            f"henshin models pull {self.name} (it needs henshin[train]); or from the file: henshin import {self.file} "
            f"--name {self.name}"
        )


class Index(BaseModel):
    """A models.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Annotated[list[Weights], BeforeValidator(lambda value: value or [])] = Field(default_factory=list)
    models: Annotated[list[IndexEntry], BeforeValidator(lambda value: value or [])] = Field(default_factory=list)


def read_index(folder: Path) -> Index:
    """Return a folder's list, an empty one if it has none.

    Errors: HenshinError in one line if the list is wrong.
    """
    path = folder / INDEX_NAME
    return _index(load_yaml(path, fast=True), path) if is_file(path) else Index()


def _index(root: Node, path: Path) -> Index:
    try:
        return Index.model_validate(to_python(root))
    except ValidationError as error:
        known = [*Index.model_fields, *IndexEntry.model_fields, "scales"]
        raise HenshinError(f"{path}: {validation_message(error, known)}") from error


def add_to_index(folder: Path, entries: Sequence[IndexEntry]) -> None:
    """Add entries to a folder's list, all or none. An entry replaces one of the same name, else it is appended.

    The rest of the file, comments included, stays as it is.
    Errors: HenshinError if the list is wrong, or its form does not allow this; the file is not changed then.
    """
    path = folder / INDEX_NAME
    index = read_index(folder)
    with write_atomic(path) as part:
        part.write_text(path.read_text(encoding="utf-8") if is_file(path) else "models:\n", encoding="utf-8")
        for entry in entries:
            names = [other.name for other in index.models]
            place = names.index(entry.name) if entry.name in names else len(names)
            models = [*index.models[:place], entry, *index.models[place + 1 :]]
            index = index.model_copy(update={"models": models})
            part.write_text(_with_entry(part, entry, place), encoding="utf-8")
            if not _holds(part, index):
                raise HenshinError(f"{path}: '{entry.name}' cannot be entered; each model wants its own '- name:' line")


def _with_entry(path: Path, entry: IndexEntry, place: int) -> str:
    """Return the text of a list in which an entry is item number ``place`` (from 0) of its models."""
    lines = [line + "\n" for line in path.read_text(encoding="utf-8").rstrip().split("\n")]
    root = load_yaml(path)
    if "models" not in root.mapping:
        return "".join([*lines, "models:\n", *_item_lines(entry, 2)])
    starts = [(item.position.line or 1) - 1 for item in root.mapping["models"].items]
    dash = _indent(lines[starts[0]]) if starts else 2
    if place < len(starts):
        lines[starts[place] : _end_of_item(lines, starts[place], dash)] = _item_lines(entry, dash)
    else:
        end = _end_of_models(lines, root.key_position("models").line or 1)
        lines[end:end] = _item_lines(entry, dash)
    return "".join(lines)


def _end_of_models(lines: list[str], models: int) -> int:
    """Return the line after the list that begins after line ``models``: the next key, else the end of the file."""
    key = re.compile(r"[A-Za-z_]+:")
    return next((index for index in range(models, len(lines)) if key.match(lines[index])), len(lines))


def _holds(path: Path, expected: Index) -> bool:
    try:
        return _index(load_yaml(path), path) == expected
    except HenshinError:
        return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _end_of_item(lines: list[str], start: int, dash: int) -> int:
    """Return the line after the item that begins at ``start``: its lines are indented more than its dash."""
    end = start + 1
    for index in range(start + 1, len(lines)):
        if lines[index].strip():
            if _indent(lines[index]) <= dash:
                break
            end = index + 1
    return end


def _item_lines(entry: IndexEntry, dash: int) -> list[str]:
    import yaml

    values = entry.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump([values], sort_keys=False, allow_unicode=True, width=110)
    return [" " * dash + line + "\n" for line in text.rstrip("\n").split("\n")]

"""The list of models: a folder's models.yaml, with the hash of each file and where it can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from henshin.errors import HenshinError
from henshin.models.contract import Contract, explained
from henshin.places import is_file
from henshin.words import name_problem
from henshin.yaml_nodes import Node, load_yaml, to_python

INDEX_NAME = "models.yaml"


def _plain(value: str) -> str:
    problem = name_problem(value)
    if problem:
        raise ValueError(problem)
    return value


PlainName = Annotated[str, AfterValidator(_plain)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, StringConstraints(pattern=r"^(https?|file)://")]


class Entry(BaseModel):
    """One model of a list: its file with hash and size, where it can be had, what it is and whence it comes."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: PlainName = Field(description="The name by which pipelines call it.")
    file: PlainName = Field(description="Its file, in the folder of the list or in the user's.")
    sha256: Sha256 = Field(description="Hash of the file.")
    size: int = Field(ge=1, description="Bytes of the file.")
    kind: Literal["translator", "sampler", "mapping", "synthesis", "detector"] = "translator"
    contract: Contract | None = Field(default=None, description="The contract of a foreign file that carries none.")
    url: Address | None = Field(default=None, description="Where `henshin models pull` gets it.")
    description: str = ""
    run: str = Field(default="", description="How it was trained, or whose it is.")
    data: str = Field(default="", description="On what data it was trained.")
    licence: str = Field(default="", description="Licence of the weights.")


class Index(BaseModel):
    """A models.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Annotated[list[Entry], BeforeValidator(lambda value: value or [])] = Field(default_factory=list)


def read_index(folder: Path) -> list[Entry]:
    """Return the entries of a folder's models.yaml; none if it has none.

    Errors: HenshinError in one line when the list is wrong.
    """
    path = folder / INDEX_NAME
    return _entries(load_yaml(path), path) if is_file(path) else []


def _entries(root: Node, path: Path) -> list[Entry]:
    try:
        return Index.model_validate(to_python(root)).models
    except ValidationError as error:
        known = ["models", *Entry.model_fields]
        raise HenshinError(f"{path}: {explained(error, known)}") from error


def list_model(folder: Path, entry: Entry) -> None:
    """Put an entry into a folder's models.yaml, in the place of one of the same name or at the end.

    What else stands in the file, comments included, stays as it is.
    Errors: HenshinError when the list is wrong, or written so that this cannot be done; it is left as it is then.
    """
    path = folder / INDEX_NAME
    old = read_index(folder)
    place = next((index for index, other in enumerate(old) if other.name == entry.name), len(old))
    side = path.with_suffix(".part")
    side.write_text(_with_entry(path, entry, place), encoding="utf-8")
    try:
        if not _holds(side, [*old[:place], entry, *old[place + 1 :]]):
            raise HenshinError(f"{path}: '{entry.name}' cannot be entered; each model wants its own '- name:' line")
        side.replace(path)
    finally:
        side.unlink(missing_ok=True)


def _with_entry(path: Path, entry: Entry, place: int) -> str:
    """Return the text of a list with an entry as its item number ``place``."""
    text = path.read_text(encoding="utf-8") if is_file(path) else "models:\n"
    lines = [line + "\n" for line in text.rstrip().split("\n")]
    listed = load_yaml(path).mapping.get("models") if is_file(path) else None
    starts = [(item.mark.line or 1) - 1 for item in listed.items] if listed else []
    dash = _indent(lines[starts[0]]) if starts else 2
    starts.append(len(lines))
    lines[starts[place] : _end(lines, starts[place], dash)] = _block(entry, dash)
    return "".join(lines)


def _holds(path: Path, expected: list[Entry]) -> bool:
    try:
        return _entries(load_yaml(path), path) == expected
    except HenshinError:
        return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _end(lines: list[str], start: int, dash: int) -> int:
    """Return the line after the last one that belongs to the item that starts here: deeper than its dash."""
    end = start + 1
    for index in range(start + 1, len(lines)):
        if lines[index].strip():
            if _indent(lines[index]) <= dash:
                break
            end = index + 1
    return end


def _block(entry: Entry, dash: int) -> list[str]:
    import yaml

    values = entry.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump([values], sort_keys=False, allow_unicode=True, width=110)
    return [" " * dash + line + "\n" for line in text.rstrip("\n").split("\n")]

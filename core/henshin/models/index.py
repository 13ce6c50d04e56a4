"""The list of models: a folder's models.yaml, with the hash of each file and where it can be had."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from henshin.errors import HenshinError
from henshin.models.contract import Contract, explained

INDEX_NAME = "models.yaml"
_LARGEST = 4 << 20


def _plain(value: str) -> str:
    if value in (".", "..") or any(character in value for character in "/\\:\0"):
        raise ValueError("must be a plain name, without a folder")
    return value


PlainName = Annotated[str, StringConstraints(min_length=1), AfterValidator(_plain)]
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

    models: list[Entry] = Field(default_factory=list)


def read_index(folder: Path) -> list[Entry]:
    """Return the entries of a folder's models.yaml; none if it has none.

    Errors: HenshinError in one line when the list is wrong.
    """
    path = folder / INDEX_NAME
    if not path.is_file():
        return []
    values = _load(path)
    if values is None:
        return []
    try:
        return Index.model_validate(values).models
    except ValidationError as error:
        known = ["models", *Entry.model_fields]
        raise HenshinError(f"{path}: {explained(error, known)}") from error


def list_model(folder: Path, entry: Entry) -> None:
    """Put an entry into a folder's models.yaml, in the place of one of the same name or at the end.

    What else stands in the file, comments included, stays as it is. Errors: HenshinError when the list is wrong.
    """
    import yaml

    read_index(folder)
    path = folder / INDEX_NAME
    text = path.read_text(encoding="utf-8") if path.is_file() else "models:\n"
    text = text.rstrip("\n") + "\n"
    values = entry.model_dump(mode="json", exclude_defaults=True)
    block = yaml.safe_dump([values], sort_keys=False, allow_unicode=True, width=110)
    block = "".join(f"  {line}\n" for line in block.splitlines())
    old = re.search(rf"^  - name: {re.escape(entry.name)}\n(?:(?!  - ).*\n?)*", text, re.MULTILINE)
    start, end = old.span() if old else (len(text), len(text))
    text = text[:start] + block + text[end:]
    side = path.with_suffix(".part")
    side.write_text(text, encoding="utf-8")
    side.replace(path)


def _load(path: Path) -> Any:
    import yaml

    if path.stat().st_size > _LARGEST:
        raise HenshinError(f"{path}: a list of models of more than {_LARGEST >> 20} MiB is not read")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HenshinError(f"{path}: {' '.join(str(error).split())}") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

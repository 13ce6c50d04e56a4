"""Download of listed models: from their address, checked by size and hash, stored whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

from henshin.errors import HenshinError, MissingError
from henshin.files import exists, hash_file, sweep, write_atomic
from henshin.text import near_or_all

if TYPE_CHECKING:
    from henshin.models.index import IndexEntry, Weights
    from henshin.models.store import ModelStore

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and the bytes in total."""

_CHUNK = 1 << 18
_TIMEOUT = 30.0


def pull(
    store: ModelStore, name: str, output: Path | None = None, force: bool = False, progress: Progress | None = None
) -> Path:
    """Download a listed model to the folder ``output``, else to the user's folder, and return its path.

    A complete file that is already there is left as it is; ``force`` replaces another file of its name.
    Errors: MissingError if there is no such model, no address or no network; HenshinError if another file has its name,
    or the download differs from the list.
    """
    entry = store.entries.get(name)
    if entry is None:
        with_address = [*(other.name for other in store.entries.values() if other.url), *store.weights]
        raise MissingError(f"no model named '{name}' can be downloaded{near_or_all(name, with_address)}")
    target = (output or store.user) / entry.file
    if exists(target) and not force:
        if hash_file(target) == entry.sha256:
            return target
        raise HenshinError(f"{target}: another file has this name; --force replaces it")
    fetch(entry, target, progress)
    return target


def fetch(entry: IndexEntry | Weights, target: Path, progress: Progress | None = None, instead: str = "") -> None:
    """Download ``entry`` to ``target``: to a temporary file first, renamed after its size and hash are checked.

    ``instead`` is the advice in the error without a network: how to use a copy of the file from elsewhere.
    Errors: MissingError without a network or for a wrong address; HenshinError if the download differs from the list or
    cannot be stored. Nothing is left behind then.
    """
    if entry.url is None:
        raise MissingError(f"model '{entry.name}' has no address to be had from")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with write_atomic(target) as part, part.open("xb") as file:
            _receive(entry, file, progress)
    except MissingError as error:
        raise MissingError(f"{error}; {instead or f'a copy that you have goes to {target}'}") from error.__cause__
    except OSError as error:
        raise HenshinError(f"{target}: cannot be written: {error.strerror or error}") from error


def _receive(entry: IndexEntry | Weights, file: Any, progress: Progress | None) -> None:
    digest = hashlib.sha256()
    received = 0
    for chunk in _chunks(entry):
        received += len(chunk)
        if received > entry.size:
            break
        digest.update(chunk)
        file.write(chunk)
        if progress is not None:
            progress(received, entry.size)
    if received != entry.size or digest.hexdigest() != entry.sha256:
        raise HenshinError(
            f"model '{entry.name}': what {entry.url} gave is not the listed file "
            f"({received} bytes where {entry.size} are right, or another sha256); nothing was kept"
        )


def _chunks(entry: IndexEntry | Weights) -> Any:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    request = Request(str(entry.url), headers={"User-Agent": "henshin"})
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:
            while chunk := answer.read(_CHUNK):
                yield chunk
    except HTTPError as error:
        raise MissingError(f"model '{entry.name}': {entry.url} answers {error.code} {error.reason}") from error
    except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise MissingError(f"model '{entry.name}': {entry.url} cannot be reached: {reason}") from error

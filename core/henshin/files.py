"""What is at a path, asked so that a folder nobody may look into is no surprise.

``Path.is_file`` and its like raise PermissionError there (up to Python 3.13); these say "no", and ``barred`` says why.
"""

from __future__ import annotations

import errno
import hashlib
import os
from io import BufferedReader
from pathlib import Path
from typing import Literal


def is_file(path: Path | str) -> bool:
    """Whether a file is there and may be seen."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there and may be seen."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path | str) -> bool:
    """Whether anything is there and may be seen."""
    return os.path.exists(path)  # noqa: PTH110


def barred(path: Path | str) -> str | None:
    """Return "'PATH' cannot be read: Permission denied" if it may not be looked at, or not into it; else None."""
    try:
        os.stat(path)  # noqa: PTH116
    except PermissionError as error:
        return f"'{path}' cannot be read: {error.strerror}"
    except (OSError, ValueError):
        return None
    if is_folder(path) and not os.access(path, os.R_OK | os.X_OK):
        return f"'{path}' cannot be read: {os.strerror(errno.EACCES)}"
    return None


PACKAGE = Path(__file__).resolve().parent

CHECKOUT = PACKAGE.parents[1]

Kind = Literal["pipelines", "exported"]


def is_checkout(folder: Path) -> bool:
    """Whether a folder is the top of a checkout of the project."""
    return (folder / "pyproject.toml").is_file() and (folder / "core" / "henshin" / "__init__.py").is_file()


def data_folder(kind: Kind) -> Path:
    """Return the folder of packaged ``kind``: the package's own ``data/KIND``, else the checkout's top-level KIND.

    A wheel carries the first. An editable install has none, for a copy made at installation would go stale. Where
    neither is at hand the first is returned all the same: it lists as empty.
    """
    own = PACKAGE / "data" / kind
    if not own.is_dir() and is_checkout(CHECKOUT) and PACKAGE == CHECKOUT / "core" / "henshin":
        return CHECKOUT / kind
    return own


def user_cache() -> Path:
    """Return the user's folder for what is costly to make: ``$HENSHIN_CACHE``, else the system's place for it."""
    named = os.environ.get("HENSHIN_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("henshin")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal. Errors: OSError."""
    with path.open("rb") as file:
        return hash_open(file)


def hash_open(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file's bytes in hexadecimal. Errors: OSError."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, for a source that is no file: its name says what its content depends on."""
    return hashlib.sha256(text.encode()).hexdigest()


FOLDER_VARIABLE = "HENSHIN_MODELS"


def user_folder() -> Path:
    """Return the user's folder of models: ``$HENSHIN_MODELS``, else the system's place for henshin's data."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("henshin", appauthor=False) / "models"

"""Files and folders: checks of paths, packaged data, the user's folders, and hashes.

Up to Python 3.13 ``Path.is_file`` and its like raise PermissionError in a folder that may not be searched. The checks
here return False instead; ``barred`` gives the reason.
"""

from __future__ import annotations

import errno
import hashlib
import os
from io import BufferedReader
from pathlib import Path
from typing import Literal


def is_file(path: Path | str) -> bool:
    """Return whether the path is a file that can be seen."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Return whether the path is a folder that can be seen."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path | str) -> bool:
    """Return whether the path exists and can be seen."""
    return os.path.exists(path)  # noqa: PTH110


def barred(path: Path | str) -> str | None:
    """Return "'PATH' cannot be read: Permission denied" for a path without permission to read it; else None.

    A folder needs permission to read and to search it.
    """
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
    """Return whether a folder is the top of a checkout of the project."""
    return (folder / "pyproject.toml").is_file() and (folder / "core" / "henshin" / "__init__.py").is_file()


def data_folder(kind: Kind) -> Path:
    """Return the folder of packaged ``kind``: the package's own ``data/KIND``, else the checkout's top-level KIND.

    A wheel carries the first. An editable install uses the second, because a copy made at installation would go stale.
    Without either the first is returned, although it does not exist.
    """
    own = PACKAGE / "data" / kind
    if not own.is_dir() and is_checkout(CHECKOUT) and PACKAGE == CHECKOUT / "core" / "henshin":
        return CHECKOUT / kind
    return own


def user_cache() -> Path:
    """Return the user's cache folder: ``$HENSHIN_CACHE``, else henshin's cache folder on this system."""
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
    """Return the SHA-256 of a text in hexadecimal.

    It stands for the content of a source that is not a file: the text names all that the content depends on.
    """
    return hashlib.sha256(text.encode()).hexdigest()


FOLDER_VARIABLE = "HENSHIN_MODELS"


def user_folder() -> Path:
    """Return the user's folder of models: ``$HENSHIN_MODELS``, else ``models`` in henshin's data folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("henshin", appauthor=False) / "models"

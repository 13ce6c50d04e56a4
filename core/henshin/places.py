"""What is at a path, asked so that a folder nobody may look into is no surprise.

``Path.is_file`` and its like raise PermissionError there (up to Python 3.13); these say "no", and ``barred`` says why.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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

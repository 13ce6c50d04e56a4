"""Files and folders: checks of paths, whole writes, packaged data, the user's folders, and hashes.

Up to Python 3.13 ``Path.is_file`` and its like raise PermissionError in a folder that may not be searched. The checks
here return False instead; ``access_problem`` gives the reason.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Literal

PARTS = ".henshin-*.part"
"""Names of what is not whole yet: hidden, and short, for a file's own name may be as long as a file system allows."""

ABANDONED = 3600.0
"""Seconds after which a part that nobody has written to is taken for that of a process that was killed."""

PACKAGE = Path(__file__).resolve().parent

CHECKOUT = PACKAGE.parents[1]

Kind = Literal["pipelines", "exported", "examples"]

FOLDER_VARIABLE = "HENSHIN_MODELS"

GALLERY_MARK = ".henshin/gallery.json"
"""The file in a gallery by which it is known as one: its pictures are no photos to work on."""


def is_file(path: Path | str) -> bool:
    """Return whether the path is a file that can be seen."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Return whether the path is a folder that can be seen."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path | str) -> bool:
    """Return whether the path exists and can be seen."""
    return os.path.exists(path)  # noqa: PTH110


def is_gallery(folder: Path | str) -> bool:
    """Return whether a folder is a gallery of results, whose small pictures no listing takes for photos."""
    return is_file(Path(folder) / GALLERY_MARK)


def access_problem(path: Path | str) -> str | None:
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


def part_path(folder: Path, mark: str = "") -> Path:
    """Return a path in ``folder`` for what is not whole yet; ``mark`` takes the place of a random one in its name."""
    return folder / PARTS.replace("*", mark or os.urandom(8).hex())


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """Yield a path in the folder of ``path``; the file or folder that the block writes there is then put at ``path``.

    ``path`` is whole or not there at any time, and of several writers the last one wins. After an error, or an
    interrupt, nothing is left behind and what was at ``path`` is untouched. Permissions are those with which the block
    writes. The folder must exist. Errors: OSError.
    """
    part = part_path(path.parent)
    try:
        yield part
        put_in_place(part, path)
    except BaseException:
        _remove(part)
        raise


def put_in_place(part: Path, path: Path) -> None:
    """Rename a file or folder to ``path``, in place of what is there. Errors: OSError."""
    if is_folder(part):
        _remove(path)  # a folder takes no other's place by a rename
    os.replace(part, path)  # noqa: PTH105


def sweep(folder: Path, idle: float = ABANDONED) -> None:
    """Remove the parts that killed writers left in ``folder``: those that were not written to for ``idle`` seconds.

    0 removes all, which is for those who know that nobody else writes there.
    """
    now = time.time()
    for part in folder.glob(PARTS):
        with suppress(OSError):  # another process sweeps too
            if not idle or now - _last_write(part) > idle:
                _remove(part)


def _last_write(path: Path) -> float:
    """Return when a file, or a folder or one of its files, was written to last."""
    files = list(path.iterdir()) if is_folder(path) else []
    return max(one.stat().st_mtime for one in (path, *files))


def _remove(path: Path) -> None:
    """Remove a file or a whole folder, as far as that can be done."""
    import shutil

    with suppress(OSError):
        if is_folder(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlive a power cut. Errors: OSError."""
    if is_folder(path) and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if is_folder(path) else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def user_folder() -> Path:
    """Return the user's folder of models: ``$HENSHIN_MODELS``, else ``models`` in henshin's data folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("henshin", appauthor=False) / "models"

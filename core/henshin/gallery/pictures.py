"""The pictures of a gallery: small copies in two sizes, named by content, made in parallel and each only once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Condition, Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from henshin.engine.preparation.schedule import MOST_WORKERS, usable_cores
from henshin.errors import PictureError
from henshin.files import GALLERY_MARK, write_atomic
from henshin.gallery.entries import RecordedFile
from henshin.gallery.file_state import UNREAD, FileStates

if TYPE_CHECKING:
    from PIL.Image import Image

FILES = "files"
"""The folder of all pictures in a gallery."""

SMALL = 320
"""Longest side of the pictures of the grid, in pixels."""

MEMORY = 512 << 20
"""Bytes of all pictures that are decoded at once; a single larger one still passes, alone."""

BYTES_A_PIXEL = 12
"""Bytes that decoding and reducing hold for each pixel: the decoder's, the array, with alpha, and a copy of both."""

VERSION = 1

SHOWN_BY_BROWSERS = frozenset({"JPEG", "MPO", "PNG", "WEBP", "GIF", "AVIF", "BMP"})


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture in a gallery: paths below the gallery with "/", and the size of the file it was made from in pixels.

    ``large`` is ``small`` itself where there is nothing more to see.
    """

    small: str
    large: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A recorded file as a gallery shows it: its small copies, its problem in words, and where the file itself is.

    ``link`` is its path, or that of its copy in the gallery; None when it is not what it was. ``is_viewable``: browsers
    show files of its format.
    """

    picture: StoredPicture | None
    problem: str | None
    link: Path | None
    is_viewable: bool = False


@dataclass
class PictureStore:
    """The pictures in the folder of a gallery. ``large`` is the longest side of the larger ones in pixels.

    ``copies``: the files themselves are copied too. ``made`` counts the pictures that this call had to make.
    """

    gallery: Path
    large: int
    copies: bool = False
    made: int = 0
    states: FileStates = field(default_factory=FileStates)
    sizes: dict[str, list[int | str]] = field(default_factory=dict)
    _shown: dict[RecordedFile, ShownFile] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def load(self) -> None:
        """Read what an earlier gallery in this folder knew; nothing if it was made in another way."""
        try:
            known = json.loads((self.gallery / GALLERY_MARK).read_bytes())
            if (known["version"], known["large"]) == (VERSION, self.large):
                self.sizes, self.states.seen = dict(known["sizes"]), dict(known["seen"])
        except (OSError, ValueError, KeyError, TypeError):
            return

    def save(self) -> None:
        """Write what the next gallery in this folder need not do again. Errors: OSError."""
        mark = self.gallery / GALLERY_MARK
        mark.parent.mkdir(parents=True, exist_ok=True)
        known = {"version": VERSION, "large": self.large, "sizes": self.sizes, "seen": self.states.seen}
        text = json.dumps(known, separators=(",", ":"))
        if not mark.exists() or mark.read_text(encoding="ascii") != text:
            with write_atomic(mark) as part:
                part.write_text(text, encoding="ascii")

    def show(self, files: Iterable[RecordedFile], finish: Callable[[RecordedFile], None]) -> None:
        """Make what is missing for these files, several at once; ``finish`` is called for each, in any order.

        Errors: OSError when the gallery cannot be written.
        """
        workers = min(MOST_WORKERS, usable_cores())
        budget = ByteBudget(MEMORY)
        pool = ThreadPoolExecutor(workers, "henshin-gallery")
        waiting: dict[Future[ShownFile], RecordedFile] = {}

        def collect(until: int) -> None:
            while len(waiting) > until:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    file = waiting.pop(future)
                    self._shown[file] = future.result()
                    finish(file)

        try:
            for file in dict.fromkeys(files):
                waiting[pool.submit(self._show, file, budget)] = file
                collect(8 * workers)
            collect(0)
        finally:
            pool.shutdown(cancel_futures=True)

    def shown(self, file: RecordedFile) -> ShownFile:
        """Return a file that ``show`` was called with."""
        return self._shown[file]

    def problem(self, file: RecordedFile, reason: str | None = None) -> str | None:
        """Return the problem of a file that ``show`` was called with, unless it is the known ``reason``."""
        problem = self._shown[file].problem
        return None if problem == reason else problem

    def remove_others(self) -> None:
        """Remove the pictures of files that are not shown any more."""
        kept = {path for one in self._shown.values() for path in self._paths(one)}
        shown = {_key(file.sha256) for file, one in self._shown.items() if one.picture is not None}
        self.sizes = {key: size for key, size in sorted(self.sizes.items()) if key in shown}
        self.states.forget_others()
        for path in list((self.gallery / FILES).rglob("*")):
            if path.is_file() and path not in kept:
                path.unlink()
        for folder in list((self.gallery / FILES).iterdir()) if (self.gallery / FILES).is_dir() else []:
            with suppress(OSError):  # succeeds only on empty ones
                folder.rmdir()

    def _paths(self, one: ShownFile) -> Iterator[Path]:
        if one.picture is not None:
            yield self.gallery / one.picture.small
            yield self.gallery / one.picture.large
        if one.link is not None and self.copies:
            yield one.link

    # -- One file, in any thread -------------------------------------------------------------------------------------

    def _show(self, file: RecordedFile, budget: ByteBudget) -> ShownFile:
        from henshin.images import format_of

        problem = self.states.problem(file)
        if problem == UNREAD:
            return ShownFile(None, None, None)  # the reason of its failure says it
        picture = self._stored(file)
        if picture is None and problem is None:
            try:
                picture = self._make(file, budget)
            except PictureError as error:
                problem = error.reason
        if problem is not None:
            return ShownFile(picture, problem, None)
        link = self._copy(file) if self.copies else file.path
        return ShownFile(picture, None, link, format_of(file.path) in SHOWN_BY_BROWSERS)

    def _stored(self, file: RecordedFile) -> StoredPicture | None:
        """Return the pictures of a content if an earlier gallery made them and they are still there."""
        key = _key(file.sha256)
        size = self.sizes.get(key) if file.sha256 else None
        if size is None:
            return None
        picture = _named(key, *size)
        return picture if all((self.gallery / path).is_file() for path in (picture.small, picture.large)) else None

    def _make(self, file: RecordedFile, budget: ByteBudget) -> StoredPicture:
        from henshin import images
        from henshin.images.sheets.contact_sheet import thumbnail

        with images.open_picture(file.path) as opened:
            size = images.header_size(opened, file.path.suffix) or (4000, 3000)
            with budget.hold(size[0] * size[1] * BYTES_A_PIXEL):
                decoded = images.read_open(opened, file.path.suffix)
                height, width = decoded.picture.shape[:2]
                large = thumbnail(decoded.picture, decoded.alpha, self.large, "lanczos")
                del decoded
                small = large.copy()
                small.thumbnail((SMALL, SMALL), reducing_gap=3.0)
        suffix = "jpg" if large.mode == "RGB" else "webp"
        has_large = large.size != small.size
        key = _key(file.sha256)
        picture = _named(key, width, height, suffix, int(has_large))
        folder = self.gallery / FILES / key[:2]
        folder.mkdir(parents=True, exist_ok=True)
        for path, image in ((picture.large, large), (picture.small, small)) if has_large else ((picture.small, small),):
            images.write_bytes(self.gallery / path, _encoded(image))
        with self._lock:
            self.sizes[key] = [width, height, suffix, int(has_large)]
            self.made += 1
        return picture

    def _copy(self, file: RecordedFile) -> Path:
        """Copy the file itself into the gallery, unless it is there; return the copy's path."""
        key = _key(file.sha256)
        path = self.gallery / FILES / key[:2] / f"{key}-full{file.path.suffix.lower()}"
        if not path.is_file() or path.stat().st_size != file.path.stat().st_size:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(path) as part, file.path.open("rb") as source, part.open("xb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
        return path


def _key(sha256: str) -> str:
    return sha256[:20]


def _named(key: str, width: int | str, height: int | str, suffix: int | str, has_large: int | str) -> StoredPicture:
    stem = f"{FILES}/{key[:2]}/{key}"
    small = f"{stem}.{suffix}"
    return StoredPicture(small, f"{stem}-large.{suffix}" if has_large else small, int(width), int(height))


def _encoded(image: Image) -> bytes:
    """Return a small copy as a file: JPEG, or WebP where it has alpha."""
    import numpy as np

    from henshin import images
    from henshin.images.picture import Metadata

    array = np.asarray(image)
    has_alpha = image.mode == "RGBA"
    alpha = np.ascontiguousarray(array[..., 3]) if has_alpha else None
    colours = np.ascontiguousarray(array[..., :3])
    options = images.WriteOptions(quality=85, metadata="strip")
    return images.encode(colours, alpha, Metadata(), "WEBP" if has_alpha else "JPEG", options)


class ByteBudget:
    """A number of bytes that threads share: ``hold`` waits until there is room. One holder alone may take more."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Hold so many bytes while the block runs."""
        with self._changed:
            self._changed.wait_for(lambda: not self.held or self.held + number <= self.limit)
            self.held += number
        try:
            yield
        finally:
            with self._changed:
                self.held -= number
                self._changed.notify_all()


def link_to(path: Path, gallery: Path) -> str:
    """Return the address of a file for a page in a gallery: relative where both are on one drive."""
    return _link_to_folder(path.parent, gallery) + quote(os.fsencode(path.name), safe="")


@lru_cache(maxsize=1024)
def _link_to_folder(folder: Path, gallery: Path) -> str:
    absolute, home = os.path.abspath(folder), os.path.abspath(gallery)  # noqa: PTH100
    if Path(absolute).anchor != Path(home).anchor:
        return f"{Path(absolute).as_uri()}/"
    relative = os.path.relpath(absolute, home).replace(os.sep, "/")
    return "" if relative == "." else f"{quote(os.fsencode(relative), safe='/')}/"

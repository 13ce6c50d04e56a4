"""Decoded training pictures, kept on disk between runs: one file of bytes that every process maps into its memory.

A set is kept under a key of all that its bytes depend on: its files (path, size, time of change), how they are cut and
scaled, and the version of the code. It is whole or not there: it is written to the side and renamed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from henshin import __version__
from henshin.errors import MissingError
from henshin.files import user_cache
from henshin.text import one_line
from henshin.train.data.preprocessing import Crop, PreprocessedImage, kept_size, load_fitted

LAYOUT = 1
"""To be raised whenever the same files would be kept as other bytes."""

PIXELS, THUMBS, INDEX = "pixels.u8", "thumbs.npy", "index.json"

TELL_EVERY = 5.0
"""Seconds between two words on the progress; a set that takes less is not spoken of."""

ELSEWHERE = "decoded pictures are kept there; set HENSHIN_CACHE to a folder with room"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImages:
    """A set as it is kept. Row i of all arrays is `files[i]`; `skipped` has the files that could not be read.

    `pixels`: the bytes of all pictures one after the other, each (3, h, w), mapped from disk; picture i begins at
    `starts[i]` and is `shapes[i]` = (h, w). `sizes` (N, 2): height and width of the files themselves; `thumbs`
    (N, 16, 16, 3): the middle square of each, very small.
    """

    files: list[Path]
    skipped: list[tuple[Path, str]]
    pixels: np.ndarray
    starts: np.ndarray
    shapes: np.ndarray
    sizes: np.ndarray
    thumbs: np.ndarray
    mapped: mmap.mmap | None

    def only(self, rows: Sequence[int]) -> DecodedImages:
        """The same set with some of its rows; the bytes stay where they are."""
        which = np.asarray(rows, np.int64)
        return replace(
            self,
            files=[self.files[i] for i in rows],
            starts=self.starts[which],
            shapes=self.shapes[which],
            sizes=self.sizes[which],
            thumbs=self.thumbs[which],
        )


def decoded(files: Sequence[Path], side: int, crop: Crop, say: Say, name: str) -> DecodedImages:
    """The pictures of `files` from the cache; decoded first, in threads, where it does not have them yet.

    `name` is what `say` calls the set. Processes that ask at once wait for the one that decodes.
    Errors: MissingError when the cache folder cannot be written, or its disk is too small.
    """
    folder = user_cache() / "pictures"
    entry = folder / _key(files, side, crop)
    found = _opened(entry, files, side, crop)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(entry, say, name):
            found = _opened(entry, files, side, crop)
            if found is None:
                _build(entry, files, side, crop, say, name)
                with suppress(OSError):  # another process drops sets too
                    prune(folder, entry, say)
                found = _opened(entry, files, side, crop)
    except OSError as error:
        raise MissingError(f"{folder}: {one_line(error)}; {ELSEWHERE}") from error
    if found is None:
        raise MissingError(f"{entry}: was written and is gone; another program seems to empty this folder")
    return found


def _key(files: Sequence[Path], side: int, crop: Crop) -> str:
    digest = hashlib.sha256(json.dumps([LAYOUT, __version__, side, crop]).encode())
    for file in files:
        try:
            stat = file.stat()
            state = [str(file.absolute()), stat.st_size, stat.st_mtime_ns]
        except OSError:  # it is gone since it was listed, or cannot be looked at: reading it will say why
            state = [str(file.absolute())]
        digest.update(json.dumps(state).encode())
    return digest.hexdigest()[:32]


def _opened(entry: Path, files: Sequence[Path], side: int, crop: Crop) -> DecodedImages | None:
    """Map a set that is there; None where it is not, or not whole."""
    try:
        index = json.loads((entry / INDEX).read_text())
        os.utime(entry / INDEX)  # used just now: the last to be dropped
        thumbs = np.load(entry / THUMBS)
        sizes = np.array(index["sizes"], np.int64).reshape(-1, 2)
        shapes = np.array([kept_size(h, w, side, crop) for h, w in index["sizes"]], np.int64).reshape(-1, 2)
        lengths = 3 * shapes.prod(1)
        pixels, mapped = _map(entry / PIXELS)
    except (OSError, ValueError, KeyError):
        return None
    if len(pixels) != lengths.sum() or len(thumbs) != len(sizes):
        return None
    kept = [files[i] for i in index["kept"]]
    skipped = [(files[i], reason) for i, reason in index["skipped"]]
    return DecodedImages(kept, skipped, pixels, np.cumsum(lengths) - lengths, shapes, sizes, thumbs, mapped)


def _map(path: Path) -> tuple[np.ndarray, mmap.mmap | None]:
    if path.stat().st_size == 0:
        return np.zeros(0, np.uint8), None
    with path.open("rb") as file:
        # never written to; "copy" only spares PyTorch its warning of arrays that are read-only
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapped, np.uint8), mapped


@contextmanager
def _alone(entry: Path, say: Say, name: str) -> Iterator[None]:
    """Within: no other process decodes the same set. Where a disk knows no locks, several may, to no harm."""
    lock = FileLock(entry.with_name(f".{entry.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{name}: waits for another process, which decodes the same pictures")
            lock.acquire()
    except NotImplementedError:
        pass
    try:
        yield
    finally:
        lock.release()


def _build(entry: Path, files: Sequence[Path], side: int, crop: Crop, say: Say, name: str) -> None:
    _has_room(entry.parent, len(files) * 3 * side * side)
    beside = entry.with_name(f".{entry.name}.{os.getpid()}.new")
    shutil.rmtree(beside, ignore_errors=True)  # of a dead process that had this number
    beside.mkdir()
    try:
        _write(beside, files, side, crop, say, name)
        shutil.rmtree(entry, ignore_errors=True)  # one that is there but not whole
        beside.rename(entry)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _has_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(f"{wanted / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free")


def _write(folder: Path, files: Sequence[Path], side: int, crop: Crop, say: Say, name: str) -> None:
    kept, skipped, sizes, thumbs = [], [], [], []
    started = told = time.monotonic()
    with (folder / PIXELS).open("wb") as out:
        for i, found in enumerate(_in_order(files, side, crop)):
            if isinstance(found, str):
                skipped.append((i, found))
            else:
                out.write(found.pixels.data)
                kept.append(i)
                sizes.append(found.size)
                thumbs.append(found.thumb)
            now = time.monotonic()
            if now - told >= TELL_EVERY:
                say(f"{name}: {i + 1} of {len(files)} pictures decoded, {(i + 1) / (now - started):.0f}/s")
                told = now
        out.flush()
        os.fsync(out.fileno())
    np.save(folder / THUMBS, np.stack(thumbs) if thumbs else np.zeros((0, 16, 16, 3), np.uint8))
    (folder / INDEX).write_text(json.dumps({"kept": kept, "sizes": sizes, "skipped": skipped}))
    if told != started:
        say(f"{name}: {len(kept)} pictures decoded in {time.monotonic() - started:.0f} s, and kept in {folder.parent}")


def _in_order(files: Sequence[Path], side: int, crop: Crop) -> Iterator[PreprocessedImage | str]:
    """Decode in threads, never more than a few pictures ahead of what is taken."""
    workers = min(16, os.cpu_count() or 1)
    waiting: deque[Future[PreprocessedImage | str]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for file in files:
                waiting.append(pool.submit(load_fitted, file, side, crop))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


LIMIT = 32 << 30
"""Bytes that all sets together may take; beyond, those that were not used for longest go."""

YOUNG = 3600.0
"""Seconds for which a set is safe after its last use: a run that starts must find its other sets again."""


def prune(folder: Path, newest: Path, say: Callable[[str], None], limit: int = LIMIT) -> None:
    """Drop the sets below `folder` that were used longest ago until `limit` is kept, and what dead processes left.

    `newest`, and whatever was used within the hour, stays. A process that has a dropped set open goes on with it.
    """
    _sweep(folder)
    ages = sorted((_used(entry), entry) for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for _, entry in ages}
    total, before, dropped = sum(sizes.values()), time.time() - YOUNG, 0
    for used, entry in ages:
        if total <= limit or used > before:
            break
        if entry != newest:
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]
            dropped += 1
    if dropped:
        say(f"{folder}: dropped {dropped} old sets of decoded pictures, for all may take {limit / 2**30:.0f} GiB")


def _used(path: Path) -> float:
    """When a set was used last: the newest time of its files."""
    return max((file.stat().st_mtime for file in path.iterdir()), default=0.0)


def _sweep(folder: Path) -> None:
    """Remove half-written sets that nobody has written to for an hour, and locks that nobody took for a day."""
    now = time.time()
    for left in folder.glob(".*.new"):
        if now - max(_used(left), left.stat().st_mtime) > YOUNG:
            shutil.rmtree(left, ignore_errors=True)
    for lock in folder.glob(".*.lock"):
        if now - lock.stat().st_mtime > 24 * YOUNG:
            lock.unlink(missing_ok=True)

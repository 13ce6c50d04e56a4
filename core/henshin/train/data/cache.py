"""Disk cache of decoded training pictures: one file of bytes for each set, mapped into memory by every process.

A set's key is a hash of all that its bytes depend on: its files (path, size, time of change), side and crop, and the
version of the code. A set is written next to its place and renamed, so it is complete or absent.
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
from henshin.files import flush_to_disk, sweep, user_cache, write_atomic
from henshin.text import one_line
from henshin.train.data.preprocessing import Crop, PreprocessedImage, cached_size, load_preprocessed

LAYOUT = 1
"""Version of the bytes; to be raised whenever the same files give other bytes."""

PIXELS, THUMBS, INDEX = "pixels.u8", "thumbs.npy", "index.json"

MAX_BYTES = 32 << 30
"""Bytes of all sets together; beyond it the sets that were not used for longest are removed."""

RECENT = 3600.0
"""Seconds after its last use in which a set is never removed: a starting run opens several sets."""

REPORT_EVERY = 5.0
"""Seconds between two reports of progress; a set that takes less is not reported."""

CACHE_HINT = "decoded pictures are kept there; set HENSHIN_CACHE to a folder with room"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImages:
    """A set of the cache. Row i of all arrays is `files[i]`; `skipped` are the unreadable files with their reasons.

    `pixels`: the bytes of all pictures, each (3, h, w), mapped from disk; picture i begins at `starts[i]` and has
    `shapes[i]` = (h, w). `sizes` (N, 2): height and width of the files themselves. `thumbs` (N, 16, 16, 3): the middle
    square of each, reduced.
    """

    files: list[Path]
    skipped: list[tuple[Path, str]]
    pixels: np.ndarray
    starts: np.ndarray
    shapes: np.ndarray
    sizes: np.ndarray
    thumbs: np.ndarray
    mapped: mmap.mmap | None

    def select(self, rows: Sequence[int]) -> DecodedImages:
        """Return the set with these rows alone; the bytes are shared."""
        index = np.asarray(rows, np.int64)
        return replace(
            self,
            files=[self.files[i] for i in rows],
            starts=self.starts[index],
            shapes=self.shapes[index],
            sizes=self.sizes[index],
            thumbs=self.thumbs[index],
        )


def load_decoded(files: Sequence[Path], side: int, crop: Crop, say: Say, name: str) -> DecodedImages:
    """Return the pictures of `files` from the cache; decode them first, in threads, if they are not in it.

    `name` is the set's name in messages. Of several processes one decodes and the others wait.
    Errors: MissingError when the cache folder cannot be written, or its disk is too small.
    """
    folder = user_cache() / "pictures"
    entry = folder / _key(files, side, crop)
    images = _open(entry, files, side, crop)
    if images is not None:
        return images
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(entry, say, name):
            images = _open(entry, files, side, crop)
            if images is None:
                _build(entry, files, side, crop, say, name)
                with suppress(OSError):  # another process may remove the same sets
                    prune(folder, entry, say)
                images = _open(entry, files, side, crop)
    except OSError as error:
        raise MissingError(f"{folder}: {one_line(error)}; {CACHE_HINT}") from error
    if images is None:
        raise MissingError(f"{entry}: was written and is gone; another program seems to empty this folder")
    return images


def prune(folder: Path, newest: Path, say: Callable[[str], None], limit: int = MAX_BYTES) -> None:
    """Remove the sets that were used longest ago until at most `limit` bytes are left, and leftovers of builds.

    `newest`, and every set that was used within the hour, stays. A process that has mapped a removed set keeps its
    bytes.
    """
    sweep(folder)
    _remove_old_locks(folder)
    ages = sorted((_last_used(entry), entry) for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for _, entry in ages}
    total, before, dropped = sum(sizes.values()), time.time() - RECENT, 0
    for used, entry in ages:
        if total <= limit or used > before:
            break
        if entry != newest:
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]
            dropped += 1
    if dropped:
        say(f"{folder}: dropped {dropped} old sets of decoded pictures, for all may take {limit / 2**30:.0f} GiB")


def _key(files: Sequence[Path], side: int, crop: Crop) -> str:
    digest = hashlib.sha256(json.dumps([LAYOUT, __version__, side, crop]).encode())
    for file in files:
        try:
            stat = file.stat()
            state = [str(file.absolute()), stat.st_size, stat.st_mtime_ns]
        except OSError:  # removed or unreadable since it was listed: decoding reports the reason
            state = [str(file.absolute())]
        digest.update(json.dumps(state).encode())
    return digest.hexdigest()[:32]


def _open(entry: Path, files: Sequence[Path], side: int, crop: Crop) -> DecodedImages | None:
    """Map a set; return None if it is absent or incomplete."""
    try:
        index = json.loads((entry / INDEX).read_text())
        os.utime(entry / INDEX)  # the time of last use, for `prune`
        thumbs = np.load(entry / THUMBS)
        sizes = np.array(index["sizes"], np.int64).reshape(-1, 2)
        shapes = np.array([cached_size(h, w, side, crop) for h, w in index["sizes"]], np.int64).reshape(-1, 2)
        lengths = 3 * shapes.prod(1)
        pixels, mapped = _map(entry / PIXELS)
    except (OSError, ValueError, KeyError):
        return None
    if len(pixels) != lengths.sum() or len(thumbs) != len(sizes):
        return None
    decoded = [files[i] for i in index["kept"]]
    skipped = [(files[i], reason) for i, reason in index["skipped"]]
    return DecodedImages(decoded, skipped, pixels, np.cumsum(lengths) - lengths, shapes, sizes, thumbs, mapped)


def _map(path: Path) -> tuple[np.ndarray, mmap.mmap | None]:
    if path.stat().st_size == 0:
        return np.zeros(0, np.uint8), None
    with path.open("rb") as file:
        # never written to; ACCESS_COPY only avoids PyTorch's warning about read-only arrays
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapped, np.uint8), mapped


@contextmanager
def _lock(entry: Path, say: Say, name: str) -> Iterator[None]:
    """Keep other processes from decoding the same set; on a disk without locks several may, which is harmless."""
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
    _check_space(entry.parent, len(files) * 3 * side * side)
    with write_atomic(entry) as part:  # in place of an incomplete set, if there is one
        part.mkdir()
        _write(part, files, side, crop, say, name)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{needed / 2**30:.1f} GiB are needed and {free / 2**30:.1f} GiB are free")


def _write(folder: Path, files: Sequence[Path], side: int, crop: Crop, say: Say, name: str) -> None:
    decoded, skipped, sizes, thumbs = [], [], [], []
    started = reported = time.monotonic()
    with (folder / PIXELS).open("wb") as out:
        for i, image in enumerate(_decode_in_order(files, side, crop)):
            if isinstance(image, str):
                skipped.append((i, image))
            else:
                out.write(image.pixels.data)
                decoded.append(i)
                sizes.append(image.size)
                thumbs.append(image.thumb)
            now = time.monotonic()
            if now - reported >= REPORT_EVERY:
                say(f"{name}: {i + 1} of {len(files)} pictures decoded, {(i + 1) / (now - started):.0f}/s")
                reported = now
    flush_to_disk(folder / PIXELS)
    np.save(folder / THUMBS, np.stack(thumbs) if thumbs else np.zeros((0, 16, 16, 3), np.uint8))
    (folder / INDEX).write_text(json.dumps({"kept": decoded, "sizes": sizes, "skipped": skipped}))
    if reported != started:
        seconds = time.monotonic() - started
        say(f"{name}: {len(decoded)} pictures decoded in {seconds:.0f} s, and kept in {folder.parent}")


def _decode_in_order(files: Sequence[Path], side: int, crop: Crop) -> Iterator[PreprocessedImage | str]:
    """Decode in threads, at most a few pictures ahead of the consumer."""
    workers = min(16, os.cpu_count() or 1)
    waiting: deque[Future[PreprocessedImage | str]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for file in files:
                waiting.append(pool.submit(load_preprocessed, file, side, crop))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _last_used(path: Path) -> float:
    """Return the newest modification time of a set's files."""
    return max((file.stat().st_mtime for file in path.iterdir()), default=0.0)


def _remove_old_locks(folder: Path) -> None:
    """Remove locks of more than a day."""
    now = time.time()
    for lock in folder.glob(".*.lock"):
        if now - lock.stat().st_mtime > 24 * RECENT:
            lock.unlink(missing_ok=True)

"""Jobs of the page: photos that were sent, their run, and its results, in a folder that is removed with the job."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Literal

from henshin.engine import RunRequest, run
from henshin.errors import HenshinError
from henshin.images import encode, format_of, read
from henshin.images.formats import WriteOptions
from henshin.images.picture import Metadata
from henshin.images.resizing import fit_longest_side, resample
from henshin.text import flatten

if TYPE_CHECKING:
    from henshin.engine import Summary

State = Literal["new", "waiting", "running", "done", "cancelled", "failed"]

log = logging.getLogger("henshin.ui")

PREVIEW = 1600
"""Longest side of a preview in pixels."""

_PREVIEWS = threading.BoundedSemaphore(2)
"""A browser asks for many previews at once, and a photo may have hundreds of megapixels."""


class RefusedError(Exception):
    """A request that cannot be met. ``status`` is that of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """What the page takes: bytes of a photo, photos of a job, jobs, and seconds for which an idle job is kept."""

    photo_bytes: int = 64 << 20
    photos: int = 200
    jobs: int = 20
    seconds: float = 3600.0


@dataclass
class Photo:
    """A photo that was sent: its number, its file here, and the name that the client gave it, which is only shown."""

    number: int
    name: str
    path: Path


@dataclass
class Job:
    """One job. ``events`` are what happened, in order, for whoever follows it."""

    id: str
    folder: Path
    state: State = "new"
    pipeline: str = ""
    photos: list[Photo] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)
    touched: float = field(default_factory=time.monotonic)

    @property
    def inputs(self) -> Path:
        """Folder of the photos."""
        return self.folder / "in"

    @property
    def outputs(self) -> Path:
        """Folder of the results."""
        return self.folder / "out"

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ("done", "cancelled", "failed")

    def tell(self, **event: Any) -> None:
        """Add an event."""
        self.events.append(event)

    def results(self, number: int | None = None) -> list[Path]:
        """Return the files that were made, in order; those of one photo if ``number`` is given."""
        pattern = "*" if number is None else f"{number:04d}*"
        found = self.outputs.glob(pattern) if self.outputs.is_dir() else ()
        return sorted(file for file in found if file.is_file() and not file.name.startswith("."))

    def result(self, name: str) -> Path:
        """Return a result by the name of its file. Errors: RefusedError for one that was not made."""
        for file in self.results():
            if file.name == name:
                return file
        raise RefusedError(404, f"no result '{name[:80]}'")


class JobStore:
    """The jobs of a server. One run at a time; the others wait in their order."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.root = Path(mkdtemp(prefix="henshin-ui-"))
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._runs = ThreadPoolExecutor(1, "henshin-ui")

    def new(self) -> Job:
        """Return a new job; jobs that nobody has touched for long are removed first. Errors: RefusedError when full."""
        self.sweep()
        with self._lock:
            if len(self._jobs) >= self.limits.jobs:
                raise RefusedError(503, f"{len(self._jobs)} jobs are kept already; try again later")
            name = secrets.token_urlsafe(16)
            job = Job(name, self.root / name)
            job.inputs.mkdir(parents=True)
            self._jobs[name] = job
        return job

    def get(self, name: str) -> Job:
        """Return a job. Errors: RefusedError when there is none of this name."""
        job = self._jobs.get(name)
        if job is None:
            raise RefusedError(404, "there is no such job; it may have been removed")
        job.touched = time.monotonic()
        return job

    def remove(self, name: str) -> None:
        """Cancel a job, and remove its photos and results."""
        with self._lock:
            job = self._jobs.pop(name, None)
        if job is not None:
            job.cancel.set()
            shutil.rmtree(job.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Remove the jobs that nobody has touched for long."""
        oldest = time.monotonic() - self.limits.seconds
        for job in list(self._jobs.values()):
            if job.touched < oldest and job.state not in ("waiting", "running"):
                self.remove(job.id)

    def close(self) -> None:
        """Cancel all runs, and remove everything."""
        for name in list(self._jobs):
            self.remove(name)
        self._runs.shutdown(cancel_futures=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def add_photo(self, job: Job, name: str, part: Path) -> Photo:
        """Take a file that was sent as a photo; ``name`` is the client's, and never a path here.

        Errors: RefusedError if it is no picture, or there are too many.
        """
        fmt = format_of(part)
        if fmt is None:
            raise RefusedError(415, f"'{shown_name(name)}' is no picture that henshin reads")
        with self._lock:
            if job.state != "new":
                raise RefusedError(409, "the run has begun; make a new job for other photos")
            if len(job.photos) >= self.limits.photos:
                raise RefusedError(413, f"at most {self.limits.photos} photos in a job")
            number = len(job.photos) + 1
            path = job.inputs / f"{number:04d}{_suffix(fmt)}"
            part.replace(path)
            photo = Photo(number, shown_name(name), path)
            job.photos.append(photo)
        return photo

    def start(self, job: Job, make: Callable[[Job], RunRequest]) -> None:
        """Run a job when its turn comes. Errors: RefusedError if it has begun already."""
        with self._lock:
            if job.state != "new":
                raise RefusedError(409, "the run has begun already")
            job.state = "waiting"
        job.tell(kind="waiting")
        self._runs.submit(self._run, job, make)

    def _run(self, job: Job, make: Callable[[Job], RunRequest]) -> None:
        if job.cancel.is_set():
            job.state = "cancelled"
            job.tell(kind="end", state=job.state, reason=None)
            return
        job.state = "running"
        reason = None
        try:
            summary = run(make(job), JobReporter(job))
            job.state = "cancelled" if summary.interrupted else "done"
            reason = summary.stopped
        except HenshinError as error:
            job.state, reason = "failed", str(error)
        except Exception as error:  # a fault in one run must not end the server
            log.exception("a run failed")
            job.state, reason = "failed", f"unexpected {type(error).__name__}: {flatten(error)}"
        job.tell(kind="end", state=job.state, reason=reason)


class JobReporter:
    """Turns the reports of a run into events of its job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.numbers = {photo.path.name: photo.number for photo in job.photos}
        self.count = 0

    def started(self, total: int | None) -> None:
        """Tell how many pictures there are."""
        self.job.tell(kind="start", total=total)

    def done(self, source: str, status: str, reason: str | None) -> None:
        """Tell the end of one picture, with the names of its results."""
        self.count += 1
        number = self.numbers.get(PurePath(source).name)
        files = [file.name for file in self.job.results(number)] if number is not None else []
        self.job.tell(kind="picture", done=self.count, number=number, status=status, reason=reason, results=files)

    def note(self, text: str) -> None:
        """Tell a note of the run."""
        self.job.tell(kind="note", text=text)

    def finished(self, summary: Summary) -> None:
        """Tell the seconds that the run took."""
        self.job.tell(kind="summary", seconds=summary.seconds, results=[file.name for file in self.job.results()])


def shown_name(name: str) -> str:
    """Return the last part of a client's file name, without control characters, at most 120 letters."""
    plain = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    return plain[:120] or "photo"


def preview(path: Path) -> bytes:
    """Return a picture as JPEG for every browser, upright, at most 1600 pixels long. Errors: PictureError."""
    with _PREVIEWS:
        decoded = read(path)
        height, width = decoded.picture.shape[:2]
        picture, alpha = decoded.picture, decoded.alpha
        if max(height, width) > PREVIEW:
            size = fit_longest_side(height, width, PREVIEW)
            picture = resample(picture, *size)
            alpha = None if alpha is None else resample(alpha, *size)
        del decoded
    return encode(picture, alpha, Metadata(), "JPEG", WriteOptions.model_validate({"quality": 90}))


def zipped(job: Job) -> Path:
    """Write the results of a job into a zip file with the names of its photos, and return its path."""
    path = job.folder / "results.zip"
    names = {photo.number: PurePath(photo.name).stem for photo in job.photos}
    used: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in job.results():
            for name in _free_names(file, names):
                if name.casefold() not in used:
                    used.add(name.casefold())
                    archive.write(file, name)
                    break
    return path


def _free_names(file: Path, names: dict[int, str]) -> Iterator[str]:
    """Yield names for a result: that of its photo with what the run added to the number, then with numbers."""
    digits, rest = file.stem[:4], file.stem[4:]
    stem = f"{names[int(digits)]}{rest}" if digits.isdecimal() and int(digits) in names else file.stem
    yield f"{stem}{file.suffix}"
    for number in range(2, 10_000):
        yield f"{stem} ({number}){file.suffix}"


def _suffix(fmt: str) -> str:
    from henshin.images import FORMATS

    return next(suffix for suffix, name in FORMATS.items() if name == fmt)

"""The making of a gallery: the record is read, pictures that are missing are made, and the pages are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from henshin.engine.execution.writer import FATAL_ERRORS
from henshin.errors import HenshinError, MissingError
from henshin.files import exists, is_folder, is_gallery, sweep, write_atomic
from henshin.gallery.entries import GalleryEntry, GalleryRecord, RecordedFile, read_record
from henshin.gallery.page import pages
from henshin.gallery.pictures import FILES, PictureStore
from henshin.gallery.sheet import draw_contact_sheet

NAME = "gallery"

OTHER_NAME = "henshin-gallery"
"""Name of the folder where results, or other files, are in one called ``gallery``."""

CONTACT_SHEET = "contact-sheet.png"

LARGE = 1024
"""Default longest side of the pictures that are seen one at a time, in pixels."""


@dataclass(frozen=True)
class GalleryOptions:
    """The options of a gallery.

    ``place`` is its folder, None for the default one in the output folder. ``large`` is the longest side in pixels of
    the pictures that are seen one at a time. ``copies``: the files themselves are copied into it too.
    """

    place: Path | None = None
    large: int = LARGE
    copies: bool = False


@dataclass(frozen=True)
class MadeGallery:
    """A finished gallery: its page, the number of sources on it, of pictures made for it, and of files with a problem.

    ``missing`` counts recorded files that were moved, deleted or changed since the run, or cannot be read.
    """

    page: Path
    entries: int
    made: int
    missing: int


class Gallery:
    """The gallery of an output folder. Errors: HenshinError for a folder without a record, or a place that is taken."""

    def __init__(self, output: Path, options: GalleryOptions) -> None:
        self.record: GalleryRecord = read_record(output)
        self.place = options.place or default_place(output, self.record.entries)
        check_place(self.place, output)
        self.store = PictureStore(self.place, options.large, options.copies)

    @property
    def total(self) -> int:
        """The number of recorded files that it shows."""
        return len(dict.fromkeys(self._files()))

    def make(self, finish: Callable[[str], None] = lambda _: None) -> MadeGallery:
        """Make what is missing or changed. ``finish`` is called with the path of each recorded file that is dealt with.

        An interruption leaves what is made so far; the next call goes on from there. Errors: HenshinError when the
        gallery cannot be written.
        """
        try:
            return self._make(finish)
        except OSError as error:
            kind = MissingError if error.errno in FATAL_ERRORS else HenshinError
            raise kind(f"cannot write the gallery '{self.place}': {error.strerror or error}") from None

    def _make(self, finish: Callable[[str], None]) -> MadeGallery:
        self.place.mkdir(parents=True, exist_ok=True)
        for folder in (self.place, *(self.place / FILES).glob("*")):
            sweep(folder, idle=0)
        self.store.load()
        self.store.save()  # from its first picture on, the folder is known as a gallery
        try:
            self.store.show(self._files(), lambda file: finish(str(file.path)))
        finally:
            self.store.save()
        written = {name: _write(self.place / name, text) for name, text in pages(self.record, self.store)}
        for old in self.place.glob("plain-*.html"):
            if old.name not in written:
                old.unlink()
        draw_contact_sheet(self.record.entries, self.store, self.place / CONTACT_SHEET)
        self.store.remove_others()
        self.store.save()
        entries = self.record.entries
        return MadeGallery(self.place / "index.html", len(entries), self.store.made, self._missing_count())

    def _missing_count(self) -> int:
        problems = {
            file: self.store.problem(file, entry.reason) for entry in self.record.entries for file in entry.files
        }
        return sum(problem is not None for problem in problems.values())

    def _files(self) -> Iterator[RecordedFile]:
        for entry in self.record.entries:
            yield from entry.files


def default_place(output: Path, entries: list[GalleryEntry]) -> Path:
    """Return the folder of a gallery in an output folder: ``gallery``, unless results or other files are in one."""
    place = output / NAME
    has_results = any(place in file.path.parents for entry in entries for file in entry.after)
    return output / OTHER_NAME if has_results or _is_taken(place) else place


def check_place(place: Path, output: Path) -> None:
    """Check that a gallery may be written into a folder. Errors: HenshinError."""
    if exists(place) and not is_folder(place):
        raise HenshinError(f"'{place}' is a file; a gallery is a folder")
    if is_folder(place) and place.resolve() == output.resolve():
        raise HenshinError(f"'{place}' holds the results themselves; give the gallery another folder with -o")
    if _is_taken(place):
        raise HenshinError(f"'{place}' is not empty, and is no gallery; give another folder with -o")


def _is_taken(place: Path) -> bool:
    """Return whether there is something at this place that is no gallery."""
    return exists(place) and not is_gallery(place) and not (is_folder(place) and not any(place.iterdir()))


def _write(path: Path, text: str) -> bool:
    """Write a page, unless it is there as it should be; return whether it was written."""
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return False
    with write_atomic(path) as part:
        part.write_bytes(data)
    return True

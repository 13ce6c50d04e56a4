"""Records without runs, and what a gallery's page says, for tests of the gallery."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from henshin.engine.record.manifest import Manifest, Output, RecordEntry
from henshin.engine.record.run_log import LoggedRun
from henshin.gallery import Gallery, GalleryOptions, MadeGallery
from henshin.gallery.entries import GalleryEntry, GalleryRecord, RecordedFile
from henshin.gallery.pictures import PictureStore, ShownFile, StoredPicture


def picture(path: Path, value: int = 100, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a picture with a gradient and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(0, 120, size[0], dtype=np.uint8)[None, :, None]
    Image.fromarray(np.broadcast_to(ramp, (size[1], size[0], 3)) + np.uint8(value)).save(path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Recorded:
    """An output folder whose record is written by hand."""

    def __init__(self, root: Path) -> None:
        self.out = root / "out"
        self.photos = root / "photos"
        self.out.mkdir(parents=True, exist_ok=True)
        self.count = 0

    def add(self, name: str, *, results: int = 1, **changes: Any) -> RecordEntry:
        """Record a photo, with a real file and its results."""
        self.count += 1  # no two pictures are the same
        photo = picture(self.photos / name, self.count)
        outputs = []
        for number in range(results):
            stem = name.rpartition(".")[0] + (f"-{number}" if number else "")
            made = picture(self.out / f"{stem}.png", 60 + self.count + number, (41, 30))
            outputs.append(Output(f"{stem}.png", made.stat().st_size, sha256(made)))
        values = {"status": "done" if outputs else "failed", "stage": None, "reason": None, "seconds": 0.25} | changes
        entry = RecordEntry(str(photo), outputs, input_hash=sha256(photo), fingerprint="print", **values)
        self.append(entry)
        return entry

    def append(self, *entries: RecordEntry) -> None:
        with Manifest(self.out) as manifest:
            for entry in entries:
                manifest.append(entry)

    def make(self, **options: Any) -> MadeGallery:
        return Gallery(self.out, GalleryOptions(**options)).make()


def data_of(page: Path) -> list[dict[str, Any]]:
    """Return the entries that a page holds for its script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    entries: list[dict[str, Any]] = json.loads(found[1])["entries"]
    return entries


def old_line(entry: RecordEntry) -> str:
    """Return the line that versions without faces and times wrote."""
    line = asdict(entry)
    for key in ("dropped", "remembered", "faces", "timings"):
        del line[key]
    return json.dumps(line) + "\n"


def fake(count: int, run: LoggedRun | None = None) -> tuple[GalleryRecord, PictureStore]:
    """Return a record of many pictures and a store in which all of them are, without any files."""
    store = PictureStore(Path("/out/gallery"), 1024)
    entries = []
    for index in range(count):
        before = RecordedFile(Path(f"/photos/{index % 20}/{index:05}.jpg"), f"{index:064x}")
        after = RecordedFile(Path(f"/out/{index % 20}/{index:05}.jpg"), f"{index + count:064x}")
        for file in (before, after):
            name = f"files/{file.sha256[-2:]}/{file.sha256[-20:]}"
            stored = StoredPicture(f"{name}.jpg", f"{name}-large.jpg", 4000, 3000)
            store._shown[file] = ShownFile(stored, None, file.path, True)
        name = f"{index % 20}/{index:05}.jpg"
        entries.append(GalleryEntry(name, "done", None, None, index % 3, 0.5, "print", before, (after,)))
    return GalleryRecord(Path("/out"), entries, [] if run is None else [run]), store

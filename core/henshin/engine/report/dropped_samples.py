"""The samples of dropped pictures: small copies of some of them, kept next to the record for contact sheets."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from henshin.engine.record.manifest import FOLDER, Drop
from henshin.files import write_atomic
from henshin.images.picture import Picture
from henshin.images.sheets.contact_sheet import thumbnail

log = logging.getLogger("henshin")

MOST_SAMPLES = 60
"""Samples of each stage."""

SAMPLE_SIDE = 128
"""Pixels of a sample's longer side, at most."""

SAMPLE_FOLDER = "dropped"
"""Name of the folder of samples, in that of the record."""


class Samples:
    """The samples of dropped pictures in one output folder; ``folder`` None (a single output file) keeps none.

    Those with the lowest hashes are kept, so that they do not depend on the order in which pictures come.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER / SAMPLE_FOLDER
        self._names: dict[str, list[str]] = {}

    def add(self, input_hash: str, drop: Drop, picture: Picture, alpha: Picture | None = None) -> None:
        """Add a dropped picture if its hash is among the lowest of its stage. A write error is ignored."""
        if self.folder is None:
            return
        names = self.of(drop.stage)
        name = sample_name(input_hash, drop)
        if name in names or (len(names) >= MOST_SAMPLES and name > names[-1]):
            return
        try:
            _save_sample(self.folder / drop.stage / f"{name}.png", picture, alpha)
        except OSError as error:
            log.debug("no sample of what was dropped: %s", error)
            return
        names.append(name)
        names.sort()
        for last in names[MOST_SAMPLES:]:
            self.path(drop.stage, last).unlink(missing_ok=True)
        del names[MOST_SAMPLES:]

    def of(self, stage: str) -> list[str]:
        """Return the names of a stage's samples, the lowest first."""
        if stage not in self._names:
            folder = self.folder / stage if self.folder is not None else None
            files = folder.glob("*.png") if folder is not None else ()
            self._names[stage] = sorted(path.stem for path in files)
        return self._names[stage]

    def path(self, stage: str, name: str) -> Path:
        """Return the file of a sample. Errors: ValueError where no samples are kept."""
        if self.folder is None:
            raise ValueError("no samples are kept")
        return self.folder / stage / f"{name}.png"

    def remove(self, stage: str, name: str) -> None:
        """Remove a sample."""
        self.of(stage).remove(name)
        self.path(stage, name).unlink(missing_ok=True)


def sample_name(input_hash: str, drop: Drop) -> str:
    """Return the name of a dropped picture's sample: a hash of its content and of the drop, not of its path."""
    text = "\n".join((input_hash, drop.stage, drop.kind, drop.reason, drop.name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save_sample(path: Path, picture: Picture, alpha: Picture | None) -> None:
    image = thumbnail(picture, alpha, SAMPLE_SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        image.save(part, "PNG")

"""Small pictures of some of what was dropped, kept beside the record so that every run can show them.

Of each stage those with the lowest hashes are kept: a sample without preference, the same in whatever order and in how
many runs the pictures came, and of bounded size however many there are.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from henshin.engine.contact import reduced
from henshin.frame import Picture
from henshin.manifest import FOLDER, Drop

log = logging.getLogger("henshin")

MOST = 60
"""Pictures of each stage."""

SIDE = 128
"""Pixels of a sample's longer side, at most."""

DROPPED = "dropped"


class Samples:
    """The samples of one output folder; of none (a single output file) nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER / DROPPED
        self._known: dict[str, list[str]] = {}

    def take(self, input_hash: str, drop: Drop, picture: Picture, alpha: Picture | None = None) -> None:
        """Keep a picture if its hash is among the lowest of its stage; what cannot be written is passed over."""
        if self.folder is None:
            return
        known = self.of(drop.stage)
        own = name_of(input_hash, drop)
        if own in known or (len(known) >= MOST and own > known[-1]):
            return
        try:
            _save(self.folder / drop.stage / f"{own}.png", picture, alpha)
        except OSError as error:
            log.debug("no sample of what was dropped: %s", error)
            return
        known.append(own)
        known.sort()
        for last in known[MOST:]:
            self.path(drop.stage, last).unlink(missing_ok=True)
        del known[MOST:]

    def of(self, stage: str) -> list[str]:
        """Return the names of a stage's samples, the lowest first."""
        if stage not in self._known:
            folder = self.folder / stage if self.folder is not None else None
            found = folder.glob("*.png") if folder is not None else ()
            self._known[stage] = sorted(path.stem for path in found)
        return self._known[stage]

    def path(self, stage: str, name: str) -> Path:
        """Return where a sample lies. Errors: ValueError where no samples are kept."""
        if self.folder is None:
            raise ValueError("no samples are kept")
        return self.folder / stage / f"{name}.png"

    def forget(self, stage: str, name: str) -> None:
        """Remove the sample of what is no longer dropped."""
        self.of(stage).remove(name)
        self.path(stage, name).unlink(missing_ok=True)


def name_of(input_hash: str, drop: Drop) -> str:
    """Return what the sample of a dropped picture is called: by what it is, not by where it lay or when it came."""
    text = "\n".join((input_hash, drop.stage, drop.kind, drop.reason, drop.name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save(path: Path, picture: Picture, alpha: Picture | None) -> None:
    image = reduced(picture, alpha, SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    image.save(side, "PNG")
    side.replace(path)

"""Faces to paste, each with its box and landmarks, and photos without faces to paste them into.

The reference is the mean of what two detectors (one, where YuNet's model is not at hand) see in three views of the
source: as it is, mirrored, and enlarged. A source in which any of them finds no face or several, or in which they
disagree, is left out. The reference is written to a file and read from it the next time.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
ENLARGED = 1.5
DISAGREEMENT = 0.12
"""Greatest distance of a view's landmarks from their mean, as a share of the distance of the eyes."""
MIRRORED = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Source:
    """A photo with one face: box (4,), landmarks (5, 2)."""

    path: Path
    box: Any
    landmarks: Any

    @property
    def side(self) -> float:
        """Longer side of the box in pixels."""
        return float((self.box[2:] - self.box[:2]).max())


def files(folders: Iterable[Path]) -> list[Path]:
    """Return the pictures in these folders, in the order of their names."""
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def pixels(path: Path) -> Any:
    """Return a picture (H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.ascontiguousarray(image.convert("RGB"))


def finder(**options: Any) -> Any:
    """Return the stage `face_detect` with these options, opened."""
    from henshin import Context
    from henshin.models import ModelStore
    from henshin.runtime import Device
    from henshin_plugins.face import FaceDetect

    registry: Any = None
    log, folder = logging.getLogger("detect"), Path(tempfile.gettempdir())
    stage = FaceDetect(FaceDetect.Config.model_validate(options))
    stage.open(Context(Device("cpu"), None, folder, log, registry, ModelStore(), Path.cwd()))
    return stage


def find(stage: Any, picture: Any) -> list[Any]:
    """Return the faces that a stage finds in one picture."""
    from henshin import Frame

    (frame,) = stage.run([Frame("photo", "photo", picture)])
    return list(frame.faces)


class References:
    """Sources and empty photos, as the detectors see them; kept in a JSON file. `careful`: in three views."""

    def __init__(self, file: Path, yunet: str | None, *, careful: bool = True) -> None:
        self.file, self.yunet, self.careful = file, yunet, careful
        self.known: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        self.stages: list[Any] = []

    def sources(self, paths: Sequence[Path], count: int, rng: np.random.Generator) -> list[Source]:
        """Return at most `count` sources, drawn from these files."""
        found = []
        for index in rng.permutation(len(paths)):
            if len(found) == count:
                break
            face = self._remembered(f"face {paths[index]}", lambda path: self._reference(pixels(path)), paths[index])
            if face:
                found.append(Source(paths[index], np.array(face["box"]), np.array(face["landmarks"])))
        return found

    def empty(self, paths: Sequence[Path], count: int, rng: np.random.Generator) -> list[Path]:
        """Return at most `count` photos in which no detector sees a face, drawn from these files."""
        found: list[Path] = []
        for index in rng.permutation(len(paths)):
            if len(found) == count:
                break
            if self._remembered(f"empty {paths[index]}", lambda path: self._is_empty(pixels(path)), paths[index]):
                found.append(paths[index])
        return found

    def save(self) -> None:
        """Write the file."""
        self.file.write_text(json.dumps(self.known))

    def _remembered(self, key: str, look: Any, path: Path) -> Any:
        if key not in self.known:
            self.known[key] = look(path)
        return self.known[key]

    def _detectors(self) -> list[Any]:
        if not self.stages:
            self.stages = [finder(minimum_score=0.9)]
            if self.yunet:
                self.stages.append(finder(detector="yunet", model=self.yunet, minimum_score=0.6))
        return self.stages

    def _reference(self, picture: Any) -> dict[str, Any] | None:
        seen = [view for stage in self._detectors() for view in _views(stage, picture, careful=self.careful)]
        if any(view is None for view in seen):
            return None
        boxes, marks = (np.array([view[part] for view in seen]) for part in (0, 1))
        box, landmarks = boxes.mean(axis=0), marks.mean(axis=0)
        eyes = float(np.hypot(*(landmarks[1] - landmarks[0])))
        if np.linalg.norm(marks - landmarks, axis=2).max() > DISAGREEMENT * eyes:
            return None
        return {"box": box.tolist(), "landmarks": landmarks.tolist()}

    def _is_empty(self, picture: Any) -> bool:
        """Whether the surest of the detectors sees nothing, the photo doubled: only so are false hits false."""
        height, width = picture.shape[:2]
        doubled = np.asarray(Image.fromarray(picture).resize((2 * width, 2 * height), Image.Resampling.LANCZOS))
        return not find(self._detectors()[-1], doubled)


def _views(stage: Any, picture: Any, *, careful: bool) -> list[Any]:
    """Return box and landmarks in the source's coordinates from each view; None where there is not one face."""
    if not careful:
        return [_one(find(stage, picture))]
    height, width = picture.shape[:2]
    size = round(width * ENLARGED), round(height * ENLARGED)
    large = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    plain, mirror, enlarged = (_one(find(stage, view)) for view in (picture, mirrored, large))
    if mirror is not None:
        (x0, y0, x1, y1), marks = mirror
        marks = marks[MIRRORED] * [-1, 1] + [width, 0]
        mirror = np.array([width - x1, y0, width - x0, y1]), marks
    if enlarged is not None:
        factor = np.array([width / size[0], height / size[1]])
        enlarged = enlarged[0] * np.tile(factor, 2), enlarged[1] * factor
    return [plain, mirror, enlarged]


def _one(faces: list[Any]) -> Any:
    if len(faces) != 1:
        return None
    return faces[0].box.astype(np.float64), faces[0].landmarks.astype(np.float64)

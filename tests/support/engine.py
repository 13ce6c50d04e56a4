"""Small stages and pictures for the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from henshin.api.frame import Face, Frame
from henshin.api.stage import Stage, StageConfig
from henshin.engine import Limits, RunOptions, RunRequest, Summary, plan, run
from henshin.errors import PictureError
from henshin.images import WriteOptions
from henshin.models import ModelStore
from henshin.pipeline import Pipeline
from henshin.registry import Registry

RED = (255, 0, 0)


class InvertConfig(StageConfig):
    strength: int = 255


class Invert(Stage[InvertConfig]):
    name = "invert"
    Config = InvertConfig

    def run(self, pictures: Any) -> Any:
        return [self.config.strength - picture for picture in pictures]


class Same(Stage[StageConfig]):
    name = "same"

    def run(self, pictures: Any) -> Any:
        return pictures


class Bigger(Stage[StageConfig]):
    name = "bigger"

    def run(self, pictures: Any) -> Any:
        return [picture.repeat(2, axis=0).repeat(3, axis=1) for picture in pictures]


class NoRed(Stage[StageConfig]):
    """Raise for the whole list if one of its pictures is red, as a stage does that knows nothing of the others."""

    name = "no_red"

    def run(self, pictures: Any) -> Any:
        for picture in pictures:
            if tuple(picture[0, 0]) == RED:
                raise ValueError("red hurts")
        return [255 - picture for picture in pictures]


class Multiply(Stage[StageConfig]):
    name = "multiply"
    works_on = "frames"

    def run(self, frames: Any) -> Any:
        return [replace(frame, name=f"{frame.name}-{number}") for frame in frames for number in (1, 2)]


class DropDark(Stage[StageConfig]):
    name = "drop_dark"
    works_on = "frames"

    def run(self, frames: Any) -> Any:
        return [frame for frame in frames if frame.picture.mean() > 50]


class FacesConfig(StageConfig):
    number: int = 2
    without: str = "copy"


class Faces(Stage[FacesConfig]):
    """Find faces in every picture whose top left pixel is not black."""

    name = "faces"
    Config = FacesConfig
    works_on = "frames"
    gives = frozenset({"faces"})

    def run(self, frames: Any) -> Any:
        kept = []
        for frame in frames:
            if frame.picture[0, 0].any():
                frame.faces += [
                    Face(np.array([i, 0, i + 4, 4], np.float32), 0.9, np.full((5, 2), i + 2, np.float32))
                    for i in range(self.config.number)
                ]
            elif self.config.without == "skip":
                continue
            else:
                frame.bypass = self.config.without == "copy"
            kept.append(frame)
        return kept


class Crop(Stage[StageConfig]):
    name = "crop"
    works_on = "frames"
    needs = frozenset({"faces"})
    gives = frozenset({"crops"})

    def run(self, frames: Any) -> Any:
        for frame in frames:
            for face in frame.faces:
                x0, y0, x1, y1 = (int(value) for value in face.box)
                face.crop = np.ascontiguousarray(frame.picture[y0:y1, x0:x1])
                face.mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
                face.matrix = np.array([[1, 0, -x0], [0, 1, -y0]], np.float32)
        return frames


class Uncrop(Stage[StageConfig]):
    name = "uncrop"
    works_on = "frames"
    needs = frozenset({"crops"})
    ends = frozenset({"crops"})

    def __init__(self, config: StageConfig) -> None:
        super().__init__(config)
        self.seen: list[Frame] = []

    def run(self, frames: Any) -> Any:
        for frame in frames:
            self.seen.append(replace(frame, faces=[replace(face) for face in frame.faces]))
            if frame.faces:
                picture = frame.picture.copy()
                for face in frame.faces:
                    x0, y0, x1, y1 = (int(value) for value in face.box)
                    picture[y0:y1, x0:x1] = face.crop[0, 0]
                frame.picture = picture
        return frames


class SampleConfig(StageConfig):
    count: int = Field(3, ge=0, le=99, description="How many.")


class Sample(Stage[SampleConfig]):
    name = "sample"
    Config = SampleConfig
    works_on = "source"

    def frames(self) -> Iterator[Frame]:
        for number in range(self.config.count):
            name = f"sample-{number:06d}"
            yield Frame(name, name, np.full((4, 4, 3), number, np.uint8))


@dataclass
class Told:
    """A reporter that remembers."""

    total: int | None = -1
    ended: list[tuple[str, str, str | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: Summary | None = None

    def started(self, total: int | None) -> None:
        self.total = total

    def done(self, source: str, status: str, reason: str | None) -> None:
        self.ended.append((Path(source).name, status, reason))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, summary: Summary) -> None:
        self.summary = summary


class Bench:
    """A folder with photos in it, and a way to run stages over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos = folder / "photos"
        self.out = folder / "out"
        self.photos.mkdir(exist_ok=True)
        self.told = Told()

    def photo(self, name: str, colour: Any = (10, 200, 30), size: tuple[int, int] = (12, 8), **save: Any) -> Path:
        """Write a picture of one colour and return its path."""
        path = self.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "RGBA" if len(colour) == 4 else "RGB"
        Image.new(mode, size, tuple(colour)).save(path, **save)
        return path

    def request(self, stages: Any, inputs: Any, output: Path | str | None, options: Any) -> RunRequest:
        made = [stage if isinstance(stage, Stage) else stage(stage.Config()) for stage in stages]
        pipeline = Pipeline("test", "", self.folder / "test.yaml", made)
        limits = Limits(**{key: options.pop(key) for key in list(options) if key in Limits.__dataclass_fields__})
        written = {key: options.pop(key) for key in list(options) if key in WriteOptions.model_fields}
        chosen = RunOptions(
            device="cpu", write=WriteOptions(**written), cache=self.folder / "cache", limits=limits, **options
        )
        nowhere = self.folder / "models"
        store = ModelStore(local=nowhere, user=nowhere, packaged=nowhere)
        inputs = [self.photos] if inputs is None else inputs
        return RunRequest(pipeline, inputs, output or self.out, chosen, store, Registry())

    def run(self, *stages: Any, inputs: Any = None, output: Path | str | None = None, **options: Any) -> Summary:
        """Run these stages over the photos."""
        request = self.request(stages, inputs, output, options)
        self.told = Told()
        return run(request, self.told)

    def plan(self, *stages: Any, inputs: Any = None, output: Path | str | None = None, **options: Any) -> Any:
        return plan(self.request(stages, inputs, output, options))

    def files(self, folder: Path | None = None) -> list[str]:
        """The results, as paths below the output folder, without the record."""
        root = folder or self.out
        return sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.is_file() and ".henshin" not in path.parts
        )

    def state(self) -> dict[str, tuple[int, bytes]]:
        """Everything in the output folder: when each file was written, and what is in it."""
        return {
            str(path.relative_to(self.out)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.out.rglob("*")
            if path.is_file()
        }

    def pixels(self, name: str) -> Any:
        return np.asarray(Image.open(self.out / name))


__all__ = ["Bench", "PictureError", "Told"]

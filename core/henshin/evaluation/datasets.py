"""Test sets: folders of pictures as samples, each with an input and, if there is one, a ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from henshin.errors import HenshinError, PictureError
from henshin.metrics.picture_sets import find_partners
from henshin.text import join_names

if TYPE_CHECKING:
    from henshin.engine.preparation.input_files import SourceFile
    from henshin.images.picture import Picture

Kind = Literal["reduced", "paired", "plain"]


@dataclass(frozen=True, slots=True)
class EvaluationSample:
    """One picture of a test set at one scale.

    "reduced": the file at ``path`` is the ground truth, and the input is a reduced copy of it; "paired": the ground
    truth is another file, ``truth``; "plain": there is none.
    """

    name: str
    path: Path
    scale: int
    kind: Kind
    truth: Path | None = None

    def load(self) -> tuple[Picture, Picture | None]:
        """Return the input and the ground truth, (H, W, 3) uint8 both. Errors: PictureError."""
        from henshin.images import read

        picture = read(self.path).picture
        if self.kind == "reduced":
            truth = crop_to_multiple(picture, self.scale)
            return reduce(truth, self.scale), truth
        if self.truth is None:
            return picture, None
        try:
            return picture, read(self.truth).picture
        except PictureError as error:
            raise PictureError(f"its truth {self.truth}: {error.reason}") from error

    def file(self, folder: Path) -> Path:
        """Return a file with the input: its own, or a PNG that is written into ``folder``.

        Errors: PictureError; OSError when it cannot be written.
        """
        if self.kind != "reduced":
            return self.path
        from henshin.images import WriteOptions, encode, write_bytes
        from henshin.images.picture import Metadata

        source, _ = self.load()
        path = folder / f"{self.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode(source, None, Metadata(), "PNG", WriteOptions()))
        return path


@dataclass
class PictureSet:
    """A test set: the pictures of a folder (file, glob), under its name in the table.

    ``members`` holds (name, path, path of the ground truth); ``unfit`` (name, reason) of pictures that cannot be used.
    """

    name: str
    kind: Kind
    members: list[tuple[str, Path, Path | None]]
    unfit: list[tuple[str, str]] = field(default_factory=list)

    def samples(self, scale: int) -> list[EvaluationSample]:
        """Return the pictures as samples at one scale."""
        return [EvaluationSample(name, path, scale, self.kind, truth) for name, path, truth in self.members]

    def own_scale(self) -> int:
        """Return the scale of pairs, from the sizes of the first one that can be read; 1 if there is none."""
        for sample in self.samples(1):
            try:
                source, truth = sample.load()
            except PictureError:
                continue
            if truth is not None:
                return whole_factor(source.shape[:2], truth.shape[:2]) or 1
        return 1


def crop_to_multiple(picture: Picture, scale: int) -> Picture:
    """Crop a picture at the right and bottom to a multiple of the scale. Errors: PictureError if it is smaller."""
    height, width = (side // scale * scale for side in picture.shape[:2])
    if not height or not width:
        raise PictureError(f"{picture.shape[1]}x{picture.shape[0]} pixels cannot be reduced by {scale}")
    return picture[:height, :width]


def reduce(picture: Picture, scale: int) -> Picture:
    """Reduce a picture with Pillow's bicubic filter."""
    import numpy as np
    from PIL import Image

    height, width = (side // scale for side in picture.shape[:2])
    reduced = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(reduced, dtype=np.uint8)


def whole_factor(size: Sequence[int], larger: Sequence[int]) -> int | None:
    """Return the integer factor between two sizes (height, width), the same for both sides, or None."""
    factor = larger[0] // size[0]
    return factor if factor and [side * factor for side in size] == list(larger) else None


def reduced_set(path: str, name: str, limit: int | None = None) -> PictureSet:
    """Return a test set of ground truths with reduced copies as inputs. Errors: HenshinError without pictures."""
    sources, unfit = _list_pictures([path])
    members: list[tuple[str, Path, Path | None]] = [(source.relative, source.path, None) for source in sources[:limit]]
    return PictureSet(name, "reduced", members, unfit)


def plain_set(paths: Sequence[str], name: str, limit: int | None = None) -> PictureSet:
    """Return a test set of pictures without ground truth. Errors: HenshinError without pictures."""
    sources, unfit = _list_pictures(paths)
    return PictureSet(name, "plain", [(source.relative, source.path, None) for source in sources[:limit]], unfit)


def paired_set(path: str, truth: str, name: str, limit: int | None = None) -> PictureSet:
    """Return a test set of pairs: each ground truth has the same relative path as its input, but for the suffix.

    Errors: HenshinError when a folder has no pictures, or no picture has a ground truth.
    """
    sources, unfit = _list_pictures([path])
    truths, _ = _list_pictures([truth])
    paths = {file.relative: file.path for file in truths}
    partners = find_partners([source.relative for source in sources[:limit]], list(paths))
    members: list[tuple[str, Path, Path | None]] = []
    for source in sources[:limit]:
        found = partners[source.relative]
        if len(found) == 1:
            members.append((source.relative, source.path, paths[found[0]]))
        else:
            many = f"{len(found)} pictures" if found else "no picture"
            unfit.append((source.relative, f"{many} of its name in '{truth}'"))
    if not members:
        shown = join_names([source.relative for source in sources], 3)
        raise HenshinError(f"no picture of '{path}' ({shown}) has one of its name in '{truth}'")
    return PictureSet(name, "paired", members, unfit)


def _list_pictures(paths: Sequence[str]) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    """Return the pictures of inputs, and the folders in them that cannot be read, with reasons."""
    from henshin.engine.preparation.input_files import list_inputs

    listing = list_inputs(paths, None)
    if not listing.sources:
        reason = "".join(f": '{folder}' {cause}" for folder, cause in listing.unreadable[:1])
        reason = reason or "".join(f"; '{folder}' holds results and is left out" for folder in listing.excluded[:1])
        raise HenshinError(f"no pictures in {join_names([repr(path) for path in paths], 3)}{reason}")
    return listing.sources, listing.unreadable

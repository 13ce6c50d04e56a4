"""Test sets: folders of pictures as cases, each with what is given and the truth that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from henshin.errors import HenshinError, PictureError
from henshin.text import join_names

if TYPE_CHECKING:
    from henshin.engine.preparation.input_files import SourceFile
    from henshin.images.picture import Picture

Kind = Literal["reduced", "paired", "plain"]


@dataclass(frozen=True, slots=True)
class EvaluationSample:
    """One picture at one scale.

    "reduced": the file at ``path`` is the truth, and what is given is made from it; "paired": the truth is another
    file; "plain": there is none.
    """

    name: str
    path: Path
    scale: int
    kind: Kind
    truth: Path | None = None

    def load(self) -> tuple[Picture, Picture | None]:
        """Return what is given and the truth, (H, W, 3) uint8 both. Errors: PictureError."""
        from henshin.images import read

        picture = read(self.path).picture
        if self.kind == "reduced":
            whole = cropped(picture, self.scale)
            return reduced(whole, self.scale), whole
        if self.truth is None:
            return picture, None
        try:
            return picture, read(self.truth).picture
        except PictureError as error:
            raise PictureError(f"its truth {self.truth}: {error.reason}") from error

    def file(self, folder: Path) -> Path:
        """Return a file that holds what is given: its own, or a PNG that is written into ``folder``.

        Errors: PictureError; OSError when nothing can be written.
        """
        if self.kind != "reduced":
            return self.path
        from henshin.images import WriteOptions, encode, write_bytes
        from henshin.images.picture import Metadata

        given, _ = self.load()
        path = folder / f"{self.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode(given, None, Metadata(), "PNG", WriteOptions()))
        return path


@dataclass
class PictureSet:
    """A folder (file, glob) of pictures under the name that the table has for it.

    ``unfit`` says of pictures why they cannot become cases.
    """

    name: str
    kind: Kind
    members: list[tuple[str, Path, Path | None]]
    unfit: list[tuple[str, str]] = field(default_factory=list)

    def cases(self, scale: int) -> list[EvaluationSample]:
        """Return the pictures as cases of one scale."""
        return [EvaluationSample(name, path, scale, self.kind, truth) for name, path, truth in self.members]

    def own_scale(self) -> int:
        """Return how many times larger the truths of pairs are: as the first pair that can be read has it, else 1."""
        for case in self.cases(1):
            try:
                given, truth = case.load()
            except PictureError:
                continue
            if truth is not None:
                return whole_factor(given.shape[:2], truth.shape[:2]) or 1
        return 1


def cropped(picture: Picture, scale: int) -> Picture:
    """Cut a picture at its right and lower side to a multiple of the scale. Errors: PictureError if it is smaller."""
    height, width = (side // scale * scale for side in picture.shape[:2])
    if not height or not width:
        raise PictureError(f"{picture.shape[1]}x{picture.shape[0]} pixels cannot be reduced by {scale}")
    return picture[:height, :width]


def reduced(picture: Picture, scale: int) -> Picture:
    """Reduce a picture by Pillow's bicubic filter, as the project's figures have it."""
    import numpy as np
    from PIL import Image

    height, width = (side // scale for side in picture.shape[:2])
    small = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8)


def whole_factor(size: Sequence[int], larger: Sequence[int]) -> int | None:
    """Return the whole number of times that one size is larger than another, the same for both sides, or None."""
    factor = larger[0] // size[0]
    return factor if factor and [side * factor for side in size] == list(larger) else None


def reduced_set(path: str, name: str, limit: int | None = None) -> PictureSet:
    """List a set of true pictures, of which reduced ones are given. Errors: HenshinError when there are none."""
    sources, unfit = _listed([path])
    members: list[tuple[str, Path, Path | None]] = [(one.relative, one.path, None) for one in sources[:limit]]
    return PictureSet(name, "reduced", members, unfit)


def plain_set(paths: Sequence[str], name: str, limit: int | None = None) -> PictureSet:
    """List pictures that have no truth. Errors: HenshinError when there are none."""
    sources, unfit = _listed(paths)
    return PictureSet(name, "plain", [(one.relative, one.path, None) for one in sources[:limit]], unfit)


def paired_set(path: str, truth: str, name: str, limit: int | None = None) -> PictureSet:
    """List pictures with their truths: those of the same name, with its folders; another suffix will do.

    Errors: HenshinError when a folder is empty, or no picture of the one has its like in the other.
    """
    sources, unfit = _listed([path])
    truths, _ = _listed([truth])
    exact = {one.relative: one.path for one in truths}
    by_stem: dict[str, list[Path]] = {}
    for one in truths:
        by_stem.setdefault(_stem(one.relative), []).append(one.path)
    members: list[tuple[str, Path, Path | None]] = []
    for one in sources[:limit]:
        found = [exact[one.relative]] if one.relative in exact else by_stem.get(_stem(one.relative), [])
        if len(found) == 1:
            members.append((one.relative, one.path, found[0]))
        else:
            many = f"{len(found)} pictures" if found else "no picture"
            unfit.append((one.relative, f"{many} of its name in '{truth}'"))
    if not members:
        shown = join_names([one.relative for one in sources], 3)
        raise HenshinError(f"no picture of '{path}' ({shown}) has one of its name in '{truth}'")
    return PictureSet(name, "paired", members, unfit)


def _stem(relative: str) -> str:
    return PurePosixPath(relative).with_suffix("").as_posix()


def _listed(paths: Sequence[str]) -> tuple[list[SourceFile], list[tuple[str, str]]]:
    """List the pictures of an input, and the folders in it that cannot be looked at."""
    from henshin.engine.preparation.input_files import list_inputs

    listing = list_inputs(paths, None)
    if not listing.sources:
        reason = "".join(f": '{folder}' {why}" for folder, why in listing.unreadable[:1])
        reason = reason or "".join(f"; '{one}' holds results and is left out" for one in listing.left_out[:1])
        raise HenshinError(f"no pictures in {join_names([repr(path) for path in paths], 3)}{reason}")
    return listing.sources, listing.unreadable

"""Sets of picture files, and the pairs that two of them form by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from henshin.errors import PictureError

if TYPE_CHECKING:
    from henshin.images.picture import Picture

SHAPE_TOLERANCE = 0.02
"""Difference of the ratios of two pictures' sides, as a share, up to which one is resized to the other's size."""


@dataclass
class FileSet:
    """A set of pictures: `files` by their relative names ("deep/b.png"), and what it is called in messages.

    `unreadable` holds the reasons why pictures could not be read; it grows as they are read.
    """

    name: str
    files: Mapping[str, Path]
    unreadable: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> Picture:
        """Return a picture (H, W, 3) uint8, read as the engine reads it. Errors: PictureError, which is kept too."""
        from henshin.images import read

        try:
            return read(self.files[name]).picture
        except PictureError as error:
            self.unreadable[name] = error.reason
            raise

    def pictures(self) -> Iterator[tuple[str, Picture]]:
        """Yield the name and pixels of every picture that can be read."""
        for name in self.files:
            try:
                yield name, self.read(name)
            except PictureError:
                continue


@dataclass(frozen=True)
class Pairs:
    """The pairs of two sets: (name in the first, name in the second); and the first's names without a partner."""

    matched: Sequence[tuple[str, str]]
    alone: Mapping[str, str]

    @classmethod
    def of(cls, first: FileSet, second: FileSet) -> Pairs:
        """Pair the pictures of two sets by their names."""
        found = find_partners(list(first.files), list(second.files))
        matched = [(name, partners[0]) for name, partners in found.items() if len(partners) == 1]
        alone = {
            name: f"{len(partners) or 'no'} picture{'s' * bool(partners)} of its name in {second.name}"
            for name, partners in found.items()
            if len(partners) != 1
        }
        return cls(matched, alone)


def find_partners(names: Sequence[str], others: Sequence[str]) -> dict[str, list[str]]:
    """Return for each relative name those of the others that are equal, else those equal but for the suffix."""
    exact = set(others)
    by_stem: dict[str, list[str]] = {}
    for other in others:
        by_stem.setdefault(_stem(other), []).append(other)
    return {name: [name] if name in exact else by_stem.get(_stem(name), []) for name in names}


def _stem(relative: str) -> str:
    return PurePosixPath(relative).with_suffix("").as_posix()


def to_size_of(picture: Picture, partner: Picture) -> Picture:
    """Return a picture, resized to its partner's size by a bicubic filter where it has another.

    Errors: PictureError where the shapes are too unlike for that.
    """
    from henshin.images.resizing import resample

    if picture.shape == partner.shape:
        return picture
    (height, width), (other_height, other_width) = picture.shape[:2], partner.shape[:2]
    one, other = width / height, other_width / other_height
    if abs(one - other) > SHAPE_TOLERANCE * max(one, other):
        raise PictureError(
            f"{width}x{height} pixels have another shape than its partner's {other_width}x{other_height}"
        )
    return resample(picture, other_height, other_width, "bicubic")

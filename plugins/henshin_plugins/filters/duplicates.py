"""The index of pictures kept by `drop_duplicates`: hashes and thumbnails, with a fast search."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from henshin.api.frame import Dropped
from henshin.images.measures.perceptual_hash import THUMB, HashIndex, perceptual_hashes, thumbnail_differences
from henshin.images.resizing import resample

if TYPE_CHECKING:
    from henshin.api.frame import Face, Frame
    from henshin.api.stage import Memory
    from henshin.images.picture import Picture
    from henshin_plugins.filters.config import DropDuplicatesConfig

COLOURS = 8
"""Side of the thumbnails whose colours are compared."""

TAIL = 1 << 14
"""Newest hashes, which are compared one by one before they are sorted into the bands."""

EVEN = 1.0
"""Grey levels by which two thumbnails may always differ: even pictures have no standard deviation to compare with."""

JITTER = 0.03
"""Share of a crop's side by which detections of the same face in two copies may differ."""


class Sign(NamedTuple):
    """The fingerprint of a picture: its hash, and its thumbnail (8, 8, 3) uint8."""

    hash: np.uint64
    thumb: np.ndarray


class Owner(NamedTuple):
    """The picture of a sign. ``input_hash`` is None if it was kept in this run; ``number`` counts a frame's faces."""

    source: str
    name: str
    number: int
    input_hash: str | None


class DuplicateIndex:
    """The signs of all kept pictures, of earlier runs and of this one: about 500 bytes each."""

    def __init__(self, config: DropDuplicatesConfig, memory: Memory) -> None:
        self.config = config
        self.memory = memory
        self.owners: list[Owner] = []
        self._processed: set[str] = set()
        self._hashes = np.zeros(TAIL, np.uint64)
        self._thumbs = np.zeros((TAIL, COLOURS, COLOURS, 3), np.uint8)
        self._index = HashIndex(self._hashes[:0])
        self._sorted = 0
        for one in memory.earlier():
            sign = read_sign(one.value)
            if sign is not None:
                self._add(sign, Owner(one.source, one.name, -1, one.input_hash))

    def check(self, frames: Sequence[Frame]) -> None:
        """Mark near-duplicates of earlier pictures as dropped, and add the others to the index, in order."""
        for frame in frames:
            crops = [(face, face.crop) for face in frame.faces if face.crop is not None]
            for number, (face, crop) in enumerate(crops):
                face.dropped = self._verdict(frame, crop, number, face)
            if not crops:
                frame.dropped = self._verdict(frame, frame.picture, 0, None)
            # signs of this source from earlier runs are out of date: it has been processed again
            self._processed.add(self.memory.key(frame.source))

    def _verdict(self, frame: Frame, picture: Picture, number: int, face: Face | None) -> Dropped | None:
        sign, mirrored = signs(picture)
        own = Owner(frame.source, frame.name, number, None)
        found = self._like_either(sign, mirrored, own)
        if found is None and face is not None:
            found = next(filter(None, (self._like_either(*signs(cut), own) for cut in shifted_crops(picture))), None)
        if found is None:
            self._add(sign, own)
            frame.remember(written(sign))
            return None
        owner, bits, difference = found
        whose = f"{'a face of ' if face is not None else ''}{owner.name}"
        reason = f"like {whose}: {bits} bits and {difference:.2f} apart"
        instead = owner.source if self.memory.key(owner.source) != self.memory.key(frame.source) else None
        return Dropped("near-duplicates", reason, instead)

    # -- Searching ---------------------------------------------------------------------------------------------------

    def _like_either(self, sign: Sign, mirrored: Sign, own: Owner) -> tuple[Owner, int, float] | None:
        return self._like(sign, own) or (self._like(mirrored, own) if self.config.mirrored else None)

    def _like(self, sign: Sign, own: Owner) -> tuple[Owner, int, float] | None:
        """Return the first kept near-duplicate, with the difference in bits and in colour, or None."""
        near = self._near(sign.hash)
        if not len(near):
            return None
        mean, spread = thumbnail_differences(
            self._thumbs[near], np.broadcast_to(sign.thumb, (len(near), *sign.thumb.shape))
        )
        spread = np.maximum(spread, sign.thumb.std())
        alike = mean <= np.maximum(self.config.difference * spread, EVEN)
        for place, difference in zip(near[alike], (mean / np.maximum(spread, EVEN))[alike], strict=True):
            owner = self.owners[place]
            if self._counts(owner, own):
                return owner, int(np.bitwise_count(self._hashes[place] ^ sign.hash)), float(difference)
        return None

    def _counts(self, owner: Owner, own: Owner) -> bool:
        """Return whether a kept picture is another one than this, and still exists."""
        if owner.input_hash is None:
            return owner != own  # equal if frames are run again one by one after a failure
        if owner.source in self._processed or owner.source == self.memory.key(own.source):
            return False
        return self.memory.stands(owner.source, owner.input_hash)

    def _near(self, hash_: np.uint64) -> np.ndarray:
        """Return the indices of all hashes within the distance, in the order in which they were added."""
        bits = self.config.distance
        ordered = self._index.search(np.array([hash_]), bits)[:, 1]
        rest = self._hashes[self._sorted : len(self.owners)]
        return np.concatenate([ordered, self._sorted + np.flatnonzero(np.bitwise_count(rest ^ hash_) <= bits)])

    def _add(self, sign: Sign, owner: Owner) -> None:
        place = len(self.owners)
        if place == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
            self._thumbs = np.concatenate([self._thumbs, np.zeros_like(self._thumbs)])
        self._hashes[place], self._thumbs[place] = sign
        self.owners.append(owner)
        if place + 1 - self._sorted >= max(TAIL, self._sorted // 8):
            self._sorted = place + 1
            self._index = HashIndex(self._hashes[: place + 1])


# -- Signs -----------------------------------------------------------------------------------------------------------


def signs(picture: Picture) -> tuple[Sign, Sign]:
    """Return the sign of a picture (H, W, 3) uint8, and that of its mirror image."""
    thumb = resample(picture, THUMB, THUMB, "box")
    both = np.stack([thumb, thumb[:, ::-1]])
    step = THUMB // COLOURS
    small = both.reshape(2, COLOURS, step, COLOURS, step, 3).mean((2, 4)).round().astype(np.uint8)
    own, mirrored = perceptual_hashes(both)
    return Sign(own, small[0]), Sign(mirrored, small[1])


def shifted_crops(crop: Picture) -> Iterator[Picture]:
    """Yield a crop shifted a little to each side and corner, a little wider, and narrower."""
    height, width = crop.shape[:2]
    far = max(1, round(JITTER * width))
    wider = np.pad(crop, ((far, far), (far, far), (0, 0)), "edge")
    for down in (far, 0, 2 * far):
        for across in (far, 0, 2 * far):
            if (down, across) != (far, far):
                yield wider[down : down + height, across : across + width]
    yield wider
    if min(height, width) > 2 * far:
        yield crop[far:-far, far:-far]


def written(sign: Sign) -> str:
    """Return a sign as text: 16 digits of the hash, then the thumbnail in base64."""
    return f"{int(sign.hash):016x}{base64.b64encode(sign.thumb.tobytes()).decode()}"


def read_sign(text: str) -> Sign | None:
    """Return the sign of a text, or None if ``written`` did not make it."""
    try:
        thumb = np.frombuffer(base64.b64decode(text[16:], validate=True), np.uint8)
        return Sign(np.uint64(int(text[:16], 16)), thumb.reshape(COLOURS, COLOURS, 3))
    except (ValueError, binascii.Error):
        return None

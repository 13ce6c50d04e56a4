"""Random skin tones, glasses and beards for one drawn face, determined by its pixels and a seed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from henshin.images.grey import is_grey, without_colour
from henshin_plugins.face.drawn.accessories import with_beard, with_glasses
from henshin_plugins.face.drawn.skin import draw_tone, find_skin, toned

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.face.drawn.config import VaryFacesConfig


def varied(crop: Picture, config: VaryFacesConfig) -> Picture:
    """Return the crop (S, S, 3) with the variations that chance gives it, or the crop itself; of a grey one grey."""
    rng = np.random.default_rng([config.seed, zlib.crc32(crop.tobytes())])
    tone, beard, glasses = (rng.random() < share for share in (config.skin, config.beard, config.glasses))
    skin = find_skin(crop) if tone or beard or glasses else None
    if skin is None:
        return crop
    result = toned(crop, skin, draw_tone(rng)) if tone else crop
    if beard:
        result = with_beard(result, skin.mask, rng)
    result = with_glasses(result, rng) if glasses else result
    return without_colour(result) if is_grey(crop) else result

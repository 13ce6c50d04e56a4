"""Samplers side by side: the same noise drawn by each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from henshin.errors import HenshinError, PictureError

if TYPE_CHECKING:
    from henshin.evaluation.comparison_sheet import Sheet
    from henshin.evaluation.evaluate import Ended
    from henshin.evaluation.methods import Networks
    from henshin.models import ModelStore

LEAST_CELL = 128
"""Pixels of a cell at least, where nobody says how many: below it, faces are too small to be compared."""


def samplers_among(store: ModelStore, names: Sequence[str]) -> list[str]:
    """Return those names that are models which draw from noise."""
    found = []
    for name in names:
        try:
            kind = store.find(name).contract.kind
        except HenshinError:  # told where models are opened
            continue
        if kind == "sampler":
            found.append(name)
    return found


def length_and_side(store: ModelStore, names: Sequence[str]) -> tuple[int, int]:
    """Return from how many numbers these samplers draw, all from as many, and the side of the largest's pictures.

    Errors: HenshinError when one does not say it, or they differ: then there is no noise that all of them could draw.
    """
    lengths: dict[str, int] = {}
    side = LEAST_CELL
    for name in names:
        contract = store.find(name).contract
        if contract.latent_shape is None or len(contract.latent_shape) != 1:
            raise HenshinError(f"model '{name}' does not say from how many numbers it draws")
        (lengths[name],) = contract.latent_shape
        side = max(side, contract.preferred_size or 0)
    if len(set(lengths.values())) > 1:
        own = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise HenshinError(f"these models draw from different amounts of noise ({own}), so that none can be the same")
    return next(iter(lengths.values())), side


def draw_samplers(
    networks: Networks, names: Sequence[str], length: int, seed: int, truncation: float, sheet: Sheet, ended: Ended
) -> int:
    """Fill a sheet: row i is the noise of number i, as the stage `sample` numbers it, drawn by every model.

    ``ended`` is called for each model. Returns the exit code, 1 where any picture failed.
    Errors: HenshinError when a model cannot be opened, or cannot truncate.
    """
    from henshin.runtime.latents import numbered_noise

    noise = numbered_noise(seed, range(sheet.rows), length)
    strips = [sheet.bare() for _ in range(sheet.rows)]
    failed = 0
    for name in names:
        reasons = []
        for number, (strip, drawn) in enumerate(
            zip(strips, networks.model(name).sample(noise, truncation), strict=True)
        ):
            if isinstance(drawn, PictureError):
                reasons.append(f"picture {number}: {drawn.reason}")
            else:
                strip.add(name, drawn)
        failed += len(reasons)
        ended(name, "; ".join(reasons) or None)
    sheet.strips = [strip for strip in strips if strip.cells]
    return 1 if failed else 0

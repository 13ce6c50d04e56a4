"""Comparison sheets of samplers: pictures that several models sample from the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from henshin.errors import HenshinError, PictureError

if TYPE_CHECKING:
    from henshin.evaluation.comparison_sheet import Sheet
    from henshin.evaluation.evaluate import OnSampleEnd
    from henshin.evaluation.methods import Networks
    from henshin.models import ModelStore

LEAST_CELL = 128
"""Least default side of a cell in pixels: smaller faces are hard to compare."""


def samplers_among(store: ModelStore, names: Sequence[str]) -> list[str]:
    """Return the names that are those of samplers: models that generate pictures from noise."""
    found = []
    for name in names:
        try:
            kind = store.find(name).contract.kind
        except HenshinError:  # reported when the model is opened
            continue
        if kind == "sampler":
            found.append(name)
    return found


def length_and_side(store: ModelStore, names: Sequence[str]) -> tuple[int, int]:
    """Return the length of the latents of these samplers, and the largest side of their pictures in pixels.

    Errors: HenshinError when a length is unknown or they differ: then they cannot sample from the same noise.
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
        found = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise HenshinError(f"these models draw from different amounts of noise ({found}), so that none can be the same")
    return next(iter(lengths.values())), side


def draw_samplers(
    networks: Networks,
    names: Sequence[str],
    length: int,
    seed: int,
    truncation: float,
    sheet: Sheet,
    ended: OnSampleEnd,
) -> int:
    """Fill a sheet: row i has the pictures that all models sample from noise number i of the stage `sample`.

    ``ended`` is called for each model. Returns the exit code: 1 if any picture failed.
    Errors: HenshinError when a model cannot be opened, or cannot truncate.
    """
    from henshin.runtime.latents import numbered_noise

    noise = numbered_noise(seed, range(sheet.rows), length)
    strips = [sheet.add_strip() for _ in range(sheet.rows)]
    failed = 0
    for name in names:
        reasons = []
        for number, (strip, picture) in enumerate(
            zip(strips, networks.model(name).sample(noise, truncation), strict=True)
        ):
            if isinstance(picture, PictureError):
                reasons.append(f"picture {number}: {picture.reason}")
            else:
                strip.add(name, picture)
        failed += len(reasons)
        ended(name, "; ".join(reasons) or None)
    sheet.strips = [strip for strip in strips if strip.cells]
    return 1 if failed else 0

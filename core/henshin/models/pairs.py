"""Samplers of two models: NAME stands for NAME-mapping and NAME-synthesis together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import HenshinError
from henshin.models.store import SUFFIX, Found, is_path
from henshin.words import a

if TYPE_CHECKING:
    from collections.abc import Iterable

    from henshin.models.store import ModelStore

HALVES = ("mapping", "synthesis")


def halves(store: ModelStore, name: str, base: Path | None = None) -> tuple[str, ...]:
    """Return what a sampler's NAME (or path without its end) stands for: (NAME-mapping, NAME-synthesis), or nothing.

    Both must be here or for download. A model that itself has the name goes before.
    """
    stem, end = (name.removesuffix(SUFFIX), SUFFIX) if is_path(name) else (name, "")
    names = tuple(f"{stem}-{half}{end}" for half in HALVES)
    if store.located(name, base) is not None:
        return ()
    known = (one in store.entries or store.located(one, base) is not None for one in names)
    return names if all(known) else ()


def joined(name: str, mapping: Found, synthesis: Found) -> Found:
    """Return a mapping and its synthesis as one sampler. Errors: HenshinError when one of them is something else."""
    for found, kind in zip((mapping, synthesis), HALVES, strict=True):
        if found.contract.kind != kind:
            raise HenshinError(f"{found.path}: is {a(found.contract.kind)}, and by its name it would be {a(kind)}")
    name = Path(name).stem if is_path(name) else name
    values = {"name": name, "kind": "sampler", "part": "", "latent_shape": mapping.contract.latent_shape}
    return Found(name, synthesis.path, synthesis.contract.model_copy(update=values), mapping)


def paired(names: Iterable[str]) -> list[str]:
    """Return the names of the samplers of which both halves are among these."""
    known = set(names)
    ends = tuple(f"-{half}" for half in HALVES)
    stems = sorted({one.removesuffix(ends[0]) for one in known if one.endswith(ends[0])} - known)
    return [stem for stem in stems if stem + ends[1] in known]

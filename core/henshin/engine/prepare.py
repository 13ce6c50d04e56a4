"""All that is settled before anything runs: what is worked on, under which names, and whether it may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.engine.fingerprint import fingerprint
from henshin.engine.inputs import Listing, Source, list_inputs
from henshin.engine.names import Names, path_key
from henshin.engine.options import RunOptions
from henshin.engine.target import Target
from henshin.errors import HenshinError
from henshin.manifest import Entry, Manifest, hash_file
from henshin.words import listed

if TYPE_CHECKING:
    from henshin.models import ModelStore
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry

SHOWN = 3


@dataclass
class Prepared:
    """What a run is going to do. ``existing`` holds the keys of sources left alone under ``--on-existing skip``."""

    target: Target
    manifest: Manifest
    names: Names
    fingerprint: str
    listing: Listing
    sources: list[Source]
    retry_failed: bool = False
    existing: set[str] = field(default_factory=set)

    def finished(self, source: Source, input_hash: str) -> Entry | None:
        """Return the record's entry of a source if nothing is to be done about it: same input, work and outputs."""
        entry = self.manifest.last(source.key)
        if entry is None or (entry.input_hash, entry.fingerprint) != (input_hash, self.fingerprint):
            return None
        if entry.status == "failed":
            return None if self.retry_failed else entry
        return entry if all(self.manifest.is_whole(output) for output in entry.outputs) else None

    def is_foreign(self, relative: str) -> bool:
        """Whether a file lies at this place of the output folder that no run of henshin wrote."""
        return os.path.lexists(self.target.folder / relative) and not self.manifest.is_ours(relative)


def content_hash(source: Source) -> str:
    """Return the hash of a source's file, or "" where it cannot be read: reading it will say why."""
    try:
        return hash_file(source.path)
    except OSError:
        return ""


def makes_its_own(pipeline: Pipeline) -> bool:
    """Whether a pipeline begins with a source stage and so takes no input."""
    return bool(pipeline.stages) and pipeline.stages[0].works_on == "source"


def list_sources(pipeline: Pipeline, inputs: Sequence[Path | str], target: Target) -> Listing:
    """Return the listing of a run's pictures. Errors: HenshinError, also when there are none."""
    if makes_its_own(pipeline):
        if inputs:
            raise HenshinError(
                f"pipeline '{pipeline.name}' makes its own pictures ('{pipeline.stages[0].name}') and takes no input"
            )
        return Listing()
    listing = list_inputs(inputs, target.record)
    if not listing.sources:
        raise HenshinError(_nothing(inputs, listing))
    if target.stem is not None:
        listing.sources = [replace(source, relative=target.stem + source.suffix) for source in listing.sources]
    return listing


def _nothing(inputs: Sequence[Path | str], listing: Listing) -> str:
    names = listed([f"'{item}'" for item in inputs], SHOWN)
    if listing.unreadable:
        folder, reason = listing.unreadable[0]
        return f"no pictures in {names}: '{folder}' {reason}"
    others = f" ({listing.non_pictures} other file{'s' * (listing.non_pictures != 1)})" if listing.non_pictures else ""
    results = f"; '{listing.left_out[0]}' holds results and is left out" if listing.left_out else ""
    return f"no pictures in {names}{others}{results}"


def prepare(
    pipeline: Pipeline,
    listing: Listing,
    target: Target,
    options: RunOptions,
    manifest: Manifest,
    *,
    store: ModelStore,
    registry: Registry,
) -> Prepared:
    """Name all outputs and look at what is in their place already. Writes nothing.

    Errors: HenshinError when an output would be one of the inputs, or when files are in the way that no run wrote and
    ``on_existing`` is "error".
    """
    suffixes = {source.key: target.expected_suffix(source) for source in listing.sources}
    names = Names(
        listing.sources,
        lambda source: suffixes[source.key],
        manifest.owner,
        _inputs_inside(listing.sources, target.folder),
    )
    sources = listing.sources if options.limit is None else listing.sources[: options.limit]
    prepared = Prepared(
        target,
        manifest,
        names,
        fingerprint(pipeline, target.write, store, registry),
        listing,
        sources,
        options.retry_failed,
    )
    in_the_way = {
        source.key: relative
        for source in sources
        if prepared.is_foreign(relative := names.predicted(source) + suffixes[source.key])
    }
    if options.on_existing == "skip":
        prepared.existing = set(in_the_way)
    elif options.on_existing != "overwrite" and in_the_way:
        raise HenshinError(_refusal(target, list(in_the_way.values())))
    return prepared


def _refusal(target: Target, paths: list[str]) -> str:
    many = len(paths) > 1
    shown = ", ".join(f"'{path}'" for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return (
        f"{shown}{more} {'exist' if many else 'exists'} in '{target.folder}' already, and no run of henshin is "
        f"known to have written {'them' if many else 'it'}; nothing was run. "
        "Say --on-existing overwrite or --on-existing skip, or give another place with -o"
    )


def _inputs_inside(sources: Sequence[Source], folder: Path) -> list[str]:
    """Return the keys of inputs that lie in the output folder: these are never written over."""
    root = os.path.join(os.path.abspath(folder), "")  # noqa: PTH100, PTH118
    inside = [source.key[len(root) :] for source in sources if source.key.startswith(root)]
    return [path_key(path.replace(os.sep, "/")) for path in inside]

"""The preparation of a run: its sources, the names of its outputs, and the files that are in the way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.api.context import Context
from henshin.api.stage import Memory, Remembered
from henshin.engine.options import OnExisting
from henshin.engine.preparation.fingerprint import fingerprint
from henshin.engine.preparation.input_files import Listing, SourceFile, list_inputs
from henshin.engine.preparation.outputs import OutputNames, Target, path_key, resolve_target
from henshin.engine.record.manifest import Manifest, RecordEntry
from henshin.errors import HenshinError
from henshin.files import hash_file, hash_open, user_cache
from henshin.text import join_names

if TYPE_CHECKING:
    from henshin.engine.preparation.request import RunRequest


SHOWN = 3


@dataclass
class PreparedRun:
    """The sources of a run, the names of their outputs, and the record of earlier runs.

    ``existing`` holds the keys of sources left alone under ``--on-existing skip``, ``inherited`` the record's entries
    of photos that were moved since, by their new keys, and ``inputs`` the real paths of all inputs.
    """

    target: Target
    manifest: Manifest
    names: OutputNames
    fingerprint: str
    listing: Listing
    sources: list[SourceFile]
    retry_failed: bool = False
    existing: set[str] = field(default_factory=set)
    inherited: dict[str, RecordEntry] = field(default_factory=dict)
    inputs: frozenset[str] = frozenset()
    _current: dict[tuple[str, str], bool] = field(default_factory=dict)

    def last(self, source: SourceFile) -> RecordEntry | None:
        """Return the record's entry of a source, or that of the same photo at its former path."""
        return self.manifest.last(source.key) or self.inherited.get(source.key)

    def finished(self, source: SourceFile, input_hash: str) -> RecordEntry | None:
        """Return the record's entry of a source if it is up to date: same input, fingerprint and outputs."""
        entry = self.last(source)
        if entry is None or (entry.input_hash, entry.fingerprint) != (input_hash, self.fingerprint):
            return None
        if entry.status == "failed":
            return None if self.retry_failed else entry
        if not all(drop.instead is None or self.is_current(drop.instead, drop.instead_hash) for drop in entry.dropped):
            return None
        return entry if all(self.manifest.is_whole(output) for output in entry.outputs) else None

    def key(self, source: str) -> str:
        """Return the key of a source by its ``frame.source``."""
        return os.path.abspath(source) if self.sources else source  # noqa: PTH100

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of this run's sources."""
        return frozenset(source.key for source in self.sources)

    def is_current(self, key: str, input_hash: str | None) -> bool:
        """Return whether the results of a source with this content exist, or will be made again by this run.

        The answer does not change during the run.
        """
        current = self._current.get((key, input_hash or ""))
        if current is None:
            current = self._current[key, input_hash or ""] = self._find_current(key, input_hash)
        return current

    def _find_current(self, key: str, input_hash: str | None) -> bool:
        entry = self.manifest.last(key)
        if entry is None or entry.status == "failed":
            return False
        if (entry.input_hash, entry.fingerprint) != (input_hash, self.fingerprint):
            return False
        if key in self.keys:
            return content_hash(SourceFile.at(Path(key), "")) == input_hash
        return all(self.manifest.is_whole(output) for output in entry.outputs)

    def renamed(self) -> dict[str, str]:
        """Return the sources whose outputs cannot have their plain names, with the names that they get instead."""
        return {
            str(source.path): self.names.predicted(source) + self.target.expected_suffix(source)
            for source in self.sources
            if self.names.is_renamed(source)
        }

    def is_foreign(self, relative: str) -> bool:
        """Return whether there is a file at this path of the output folder that no run of henshin wrote."""
        return os.path.lexists(self.target.folder / relative) and not self.manifest.is_ours(relative)

    def is_input(self, relative: str) -> bool:
        """Return whether this path of the output folder is that of an input, links resolved."""
        return _path_in_real_folder(self.target.folder / relative) in self.inputs


def content_hash(source: SourceFile, file: BufferedReader | None = None) -> str:
    """Return the hash of a source's file, or of ``file``, which is that file opened.

    "" where it cannot be read; the error is reported when it is decoded.
    """
    try:
        return hash_file(source.path) if file is None else hash_open(file)
    except OSError:
        return ""


@contextmanager
def open_run(request: RunRequest, *, write: bool) -> Iterator[tuple[Context, PreparedRun]]:
    """Yield the context of the stages and the prepared run; ``write`` locks the output folder and keeps its record.

    Errors: HenshinError for wrong use (no pictures, files in the way, a folder in which another run is at work);
    MissingError for a GPU that is required and not there.
    """
    target = resolve_target(request.output, request.pipeline.name, request.inputs, request.options.write)
    listing = list_sources(request, target)
    context = _make_context(request)
    manifest = Manifest(target.record, path_key)
    with manifest if write else nullcontext(manifest.load()):
        yield context, prepare(request, listing, target, manifest, context.device.precision)


def _make_context(request: RunRequest) -> Context:
    """Return the context that the stages of a run are opened with. Errors: MissingError for a required GPU."""
    from henshin.runtime import resolve_device

    options = request.options
    return Context(
        device=resolve_device(options.device, options.require_gpu),
        batch_size=options.batch_size,
        cache_folder=options.cache or user_cache(),
        log=logging.getLogger("henshin"),
        registry=request.registry,
        store=request.store,
        base=request.pipeline.base,
    )


def list_sources(request: RunRequest, target: Target) -> Listing:
    """Return the listing of a run's pictures. Errors: HenshinError, also when there are none."""
    pipeline, inputs = request.pipeline, request.inputs
    if pipeline.source is not None:
        if inputs:
            raise HenshinError(
                f"pipeline '{pipeline.name}' makes its own pictures ('{pipeline.source.name}') and takes no input"
            )
        return Listing()
    listing = list_inputs(inputs, target.record)
    if not listing.sources:
        raise HenshinError(_no_pictures_message(inputs, listing))
    if target.stem is not None:
        listing.sources = [replace(source, relative=target.stem + source.suffix) for source in listing.sources]
    return listing


def _no_pictures_message(inputs: Sequence[Path | str], listing: Listing) -> str:
    names = join_names([f"'{item}'" for item in inputs], SHOWN)
    if listing.unreadable:
        folder, reason = listing.unreadable[0]
        return f"no pictures in {names}: '{folder}' {reason}"
    others = f" ({listing.non_pictures} other file{'s' * (listing.non_pictures != 1)})" if listing.non_pictures else ""
    results = f"; '{listing.excluded[0]}' holds results and is left out" if listing.excluded else ""
    return f"no pictures in {names}{others}{results}"


def prepare(
    request: RunRequest, listing: Listing, target: Target, manifest: Manifest, precision: str = "fp32"
) -> PreparedRun:
    """Name all outputs and find the files that are in their place already. Writes nothing.

    ``precision`` is that of the device that runs the networks.

    Errors: HenshinError for files in place of outputs that no run wrote, if ``on_existing`` is "error" or None.
    """
    pipeline, options = request.pipeline, request.options
    suffixes = {source.key: target.expected_suffix(source) for source in listing.sources}
    inputs = frozenset(_path_in_real_folder(source.path) for source in listing.sources)

    def inherits(owner: str, source: SourceFile) -> bool:
        entry = manifest.last(owner)
        return entry is not None and not os.path.lexists(owner) and entry.input_hash == content_hash(source)

    names = OutputNames(
        listing.sources,
        lambda source: suffixes[source.key],
        manifest.owner,
        _keys_inside(inputs, target.folder),
        inherits,
    )
    sources = listing.sources if options.limit is None else listing.sources[: options.limit]
    expected = {source.key: names.predicted(source) + suffixes[source.key] for source in sources}
    prepared = PreparedRun(
        target,
        manifest,
        names,
        fingerprint(pipeline, target.write, request.store, request.registry, precision),
        listing,
        sources,
        options.retry_failed,
        inputs=inputs,
    )
    for key, relative in expected.items():
        # A source gets the name of another one's output only if it inherits it.
        owner = manifest.owner(path_key(relative))
        entry = manifest.last(owner) if owner is not None else None
        if entry is not None:
            prepared.inherited[key] = entry
    if not any(stage.renames for stage in pipeline.stages):
        _handle_foreign_files(prepared, expected, options.on_existing)
    return prepared


def _handle_foreign_files(prepared: PreparedRun, expected: dict[str, str], on_existing: OnExisting | None) -> None:
    """Note or refuse files that no run wrote and that stand where results are to go. Errors: HenshinError."""
    in_the_way = {key: relative for key, relative in expected.items() if prepared.is_foreign(relative)}
    if on_existing == "skip":
        prepared.existing = set(in_the_way)
    elif on_existing != "overwrite" and in_the_way:
        raise HenshinError(_conflict_message(prepared.target, list(in_the_way.values())))


def _conflict_message(target: Target, paths: list[str]) -> str:
    if target.stem is not None:
        return (
            f"'{target.display_path}' exists already, and of a single output file no record is kept that would say "
            "whose it is; nothing was run. Say --on-existing overwrite to replace it, or give another name with -o"
        )
    many = len(paths) > 1
    shown = ", ".join(f"'{path}'" for path in paths[:SHOWN])
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return (
        f"{shown}{more} {'exist' if many else 'exists'} in '{target.folder}' already, and no run of henshin is "
        f"known to have written {'them' if many else 'it'}; nothing was run. "
        "Say --on-existing overwrite or --on-existing skip, or give another place with -o"
    )


def _path_in_real_folder(path: Path) -> str:
    """Return a file's path with the links in its folders resolved, but not the file itself if it is a link."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118


def _keys_inside(inputs: Iterable[str], folder: Path) -> list[str]:
    """Return the keys of inputs (real paths) that lie in the output folder: they are never overwritten."""
    root = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118
    return [path_key(path[len(root) :].replace(os.sep, "/")) for path in inputs if path.startswith(root)]


class RecordMemory(Memory):
    """The memory of one stage: from sources that did not fail, under the fingerprint of this run."""

    def __init__(self, prepared: PreparedRun, label: str) -> None:
        self.prepared = prepared
        self.label = label

    def earlier(self) -> Iterator[Remembered]:
        """Yield what the stage remembered, in the order of the record."""
        for entry, remembered in self.prepared.manifest.remembered(self.label):
            if entry.fingerprint == self.prepared.fingerprint and entry.status != "failed":
                for name, value in remembered:
                    yield Remembered(entry.source, entry.input_hash, name, value)

    def stands(self, source: str, input_hash: str) -> bool:
        """Return whether the results of a source with this content exist, or will be made again by this run."""
        return self.prepared.is_current(source, input_hash)

    def key(self, source: str) -> str:
        """Return the key of a source by its ``frame.source``."""
        return self.prepared.key(source)

"""What the stages have left out, over the whole record of a folder: counted by reason, and shown."""

from __future__ import annotations

import hashlib
import heapq
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from henshin.engine.contact import Cell, draw
from henshin.engine.prepare import Prepared
from henshin.engine.samples import MOST, Samples, name_of
from henshin.engine.summary import Summary
from henshin.manifest import FOLDER, Drop, Entry
from henshin.places import exists
from henshin.words import counted

log = logging.getLogger("henshin")

SHEETS = "report"
LARGEST = 1 << 24
"""Bytes of a result that is still read for the sheet of what was kept."""


def tell_dropped(summary: Summary, prepared: Prepared, samples: Samples, recorded: int) -> None:
    """Count into a summary what was dropped, and draw the sheets anew where this run recorded anything."""
    for entry in _entries(prepared):
        for drop in entry.dropped:
            kinds = summary.dropped.setdefault(drop.stage, {})
            kinds[drop.kind] = kinds.get(drop.kind, 0) + 1
    folder = prepared.target.record
    if folder is None or not summary.dropped:
        return
    place = folder / FOLDER / SHEETS
    if recorded:
        try:
            _draw_dropped(summary, prepared, samples)
            _draw_kept(prepared)
        except OSError as error:
            log.debug("no contact sheets: %s", error)
    with suppress(OSError):
        summary.sheets = sorted(str(path) for path in place.glob("*.png"))


def _entries(prepared: Prepared) -> Iterator[Entry]:
    """Yield how each source ended last, but for files that are no longer there."""
    for key, entry in prepared.manifest.entries.items():
        if key in prepared.keys or not os.path.isabs(key) or exists(key):  # noqa: PTH117
            yield entry


def _draw_dropped(summary: Summary, prepared: Prepared, samples: Samples) -> None:
    """Draw a sheet for each stage, of the samples that are of its present drops; the others are forgotten."""
    assert prepared.target.record is not None
    place = prepared.target.record / FOLDER / SHEETS
    wanted = {stage: set(samples.of(stage)) for stage in summary.dropped}
    found: dict[str, list[tuple[str, Drop]]] = {stage: [] for stage in summary.dropped}
    for entry in _entries(prepared):
        for drop in entry.dropped:
            name = name_of(entry.input_hash, drop)
            if name in wanted[drop.stage]:
                found[drop.stage].append((name, drop))
    for stage, drops in found.items():
        for name in wanted[stage] - {name for name, _ in drops}:
            samples.forget(stage, name)
        drops.sort(key=lambda one: (one[1].kind, one[1].name, one[0]))
        cells = [
            Cell(samples.path(stage, name), drop.name, drop.reason, _instead(prepared, drop)) for name, drop in drops
        ]
        kinds = summary.dropped[stage]
        shown = f" ({len(cells)} of them)" if len(cells) < sum(kinds.values()) else ""
        draw(f"dropped by {stage}: {counted(kinds)}{shown}", cells, place / f"dropped-{stage}.png")
    for path in place.glob("dropped-*.png"):
        if path.stem.removeprefix("dropped-") not in found:
            path.unlink()


def _instead(prepared: Prepared, drop: Drop) -> Path | None:
    """Return the result that stays in the place of what was dropped, where there is but one."""
    entry = prepared.manifest.last(drop.instead) if drop.instead is not None else None
    if entry is None or len(entry.outputs) != 1 or entry.outputs[0].size > LARGEST:
        return None
    return prepared.target.folder / entry.outputs[0].path


def _draw_kept(prepared: Prepared) -> None:
    """Draw a sheet of some results: those with the lowest hashes, which has no preference."""
    assert prepared.target.record is not None
    folder = prepared.target.record
    outputs = [output for entry in _entries(prepared) for output in entry.outputs]
    small = ((hashlib.sha256(f"{one.path}\n{one.sha256}".encode()).hexdigest(), one.path) for one in outputs)
    chosen = {path for _, path in heapq.nsmallest(MOST, small)}
    kept = sorted(output.path for output in outputs if output.path in chosen and output.size <= LARGEST)
    cells = [Cell(folder / path, path, "") for path in kept if exists(folder / path)]
    shown = f" ({len(cells)} of them)" if len(cells) < len(outputs) else ""
    draw(f"kept: {len(outputs)}{shown}", cells, folder / FOLDER / SHEETS / "kept.png")

"""The report on dropped pictures: counts by reason over the whole record of a folder, and their contact sheets."""

from __future__ import annotations

import hashlib
import heapq
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.manifest import FOLDER, Drop, RecordEntry
from henshin.engine.report.dropped_samples import MOST_SAMPLES, Samples, sample_name
from henshin.engine.report.summary import Summary
from henshin.files import exists
from henshin.images.sheets.contact_sheet import Cell, draw_sheet
from henshin.text import join_counts

log = logging.getLogger("henshin")

SHEET_FOLDER = "report"
"""Name of the folder of contact sheets, in that of the record."""

MOST_BYTES = 1 << 24
"""Size of the largest result that is read for a sheet."""


def report_dropped(summary: Summary, prepared: PreparedRun, samples: Samples, recorded: int) -> None:
    """Count dropped pictures into a summary, and redraw the contact sheets if this run ``recorded`` any sources."""
    for entry in _present_entries(prepared):
        for drop in entry.dropped:
            kinds = summary.dropped.setdefault(drop.stage, {})
            kinds[drop.kind] = kinds.get(drop.kind, 0) + 1
    folder = prepared.target.record
    if folder is None or not summary.dropped:
        return
    place = folder / FOLDER / SHEET_FOLDER
    if recorded:
        try:
            _draw_dropped(summary, prepared, samples)
            _draw_kept(prepared)
        except OSError as error:
            log.debug("no contact sheets: %s", error)
    with suppress(OSError):
        summary.sheets = sorted(str(path) for path in place.glob("*.png"))


def _present_entries(prepared: PreparedRun) -> Iterator[RecordEntry]:
    """Yield the last entry of each source, without those of files that no longer exist."""
    for key, entry in prepared.manifest.entries.items():
        if key in prepared.keys or not os.path.isabs(key) or exists(key):  # noqa: PTH117
            yield entry


def _draw_dropped(summary: Summary, prepared: PreparedRun, samples: Samples) -> None:
    """Draw a sheet for each stage from the samples of pictures that are still dropped; remove the other samples."""
    assert prepared.target.record is not None
    place = prepared.target.record / FOLDER / SHEET_FOLDER
    stored = {stage: set(samples.of(stage)) for stage in summary.dropped}
    current: dict[str, list[tuple[str, Drop]]] = {stage: [] for stage in summary.dropped}
    for entry in _present_entries(prepared):
        for drop in entry.dropped:
            name = sample_name(entry.input_hash, drop)
            if name in stored[drop.stage]:
                current[drop.stage].append((name, drop))
    for stage, drops in current.items():
        for name in stored[stage] - {name for name, _ in drops}:
            samples.remove(stage, name)
        drops.sort(key=lambda item: (item[1].kind, item[1].name, item[0]))
        cells = [
            Cell(samples.path(stage, name), drop.name, drop.reason, _replacement(prepared, drop))
            for name, drop in drops
        ]
        kinds = summary.dropped[stage]
        shown = f" ({len(cells)} of them)" if len(cells) < sum(kinds.values()) else ""
        draw_sheet(f"dropped by {stage}: {join_counts(kinds)}{shown}", cells, place / f"dropped-{stage}.png")
    for path in place.glob("dropped-*.png"):
        if path.stem.removeprefix("dropped-") not in current:
            path.unlink()


def _replacement(prepared: PreparedRun, drop: Drop) -> Path | None:
    """Return the output that stays in place of a dropped picture, if there is exactly one."""
    entry = prepared.manifest.last(drop.instead) if drop.instead is not None else None
    if entry is None or len(entry.outputs) != 1 or entry.outputs[0].size > MOST_BYTES:
        return None
    return prepared.target.folder / entry.outputs[0].path


def _draw_kept(prepared: PreparedRun) -> None:
    """Draw a sheet of some results, picked at random: those with the lowest hashes."""
    assert prepared.target.record is not None
    folder = prepared.target.record
    outputs = [output for entry in _present_entries(prepared) for output in entry.outputs]
    hashes = (
        (hashlib.sha256(f"{output.path}\n{output.sha256}".encode()).hexdigest(), output.path) for output in outputs
    )
    selected = {path for _, path in heapq.nsmallest(MOST_SAMPLES, hashes)}
    kept = sorted(output.path for output in outputs if output.path in selected and output.size <= MOST_BYTES)
    cells = [Cell(folder / path, path, "") for path in kept if exists(folder / path)]
    shown = f" ({len(cells)} of them)" if len(cells) < len(outputs) else ""
    draw_sheet(f"kept: {len(outputs)}{shown}", cells, folder / FOLDER / SHEET_FOLDER / "kept.png")

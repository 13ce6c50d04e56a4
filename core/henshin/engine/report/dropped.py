"""The report on dropped pictures: counts by reason over the whole record of a folder, samples, contact sheets."""

from __future__ import annotations

import hashlib
import heapq
import logging
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.manifest import FOLDER, Drop, RecordEntry
from henshin.engine.report.summary import Summary
from henshin.files import exists, write_atomic
from henshin.images.picture import Picture
from henshin.text import join_counts

if TYPE_CHECKING:
    from PIL.Image import Image


log = logging.getLogger("henshin")

SHEETS = "report"

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
    place = folder / FOLDER / SHEETS
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
    place = prepared.target.record / FOLDER / SHEETS
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
    draw_sheet(f"kept: {len(outputs)}{shown}", cells, folder / FOLDER / SHEETS / "kept.png")


COLUMNS, CELL, GAP, LINE, LINES, FONT = 8, 128, 14, 13, 4, 11
"""Columns; pixels of a cell's side, between cells, and of a line of text; lines of text; font size."""

INSET = 52
"""Pixels of an inset's side."""

CHEQUER, LIGHT, DARK = 8, (225, 225, 225), (190, 190, 190)
"""Pixels of a square of the chequerboard under transparent pictures, and its two greys."""

PAPER, INK, FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)


class Cell(NamedTuple):
    """One picture of a sheet: its file, name and caption, and the file of a second picture in its corner."""

    file: Path
    name: str
    caption: str
    inset: Path | None = None


def draw_sheet(title: str, cells: Sequence[Cell], path: Path) -> None:
    """Write a contact sheet of the pictures, row by row, as a PNG. Errors: OSError."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max(1, min(COLUMNS, len(cells)))
    rows = -(-len(cells) // columns)
    width = max(columns * (CELL + GAP) + GAP, 3 * (CELL + GAP))
    row_height = CELL + LINES * LINE + GAP
    page = Image.new("RGB", (width, 3 * GAP + rows * row_height), PAPER)
    pen = ImageDraw.Draw(page)
    font, bold = ImageFont.load_default(FONT), ImageFont.load_default(FONT + 3)
    pen.text((GAP, GAP // 2), title, INK, bold)
    for number, cell in enumerate(cells):
        left, top = GAP + number % columns * (CELL + GAP), 3 * GAP + number // columns * row_height
        image = _read_thumbnail(cell.file, CELL)
        if image is not None:
            page.paste(image, (left + (CELL - image.width) // 2, top + CELL - image.height))
        second = _read_thumbnail(cell.inset, INSET) if cell.inset is not None else None
        if second is not None:
            framed = ImageOps.expand(second, 2, PAPER)
            page.paste(framed, (left + CELL - framed.width, top + CELL - framed.height))
        for line, (text, colour) in enumerate(_lines(cell)):
            pen.text((left, top + CELL + 3 + line * LINE), text, colour, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        page.save(part, "PNG")


def _lines(cell: Cell) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the lines of text of a cell with their colours: the end of the name, and the caption, wrapped."""
    letters = CELL // 6
    name = cell.name if len(cell.name) <= letters else f"…{cell.name[1 - letters :]}"
    caption = textwrap.wrap(cell.caption, letters + 1, max_lines=LINES - 1, placeholder=" …")
    return [(name, INK), *((line, FAINT) for line in caption)]


def _read_thumbnail(file: Path, side: int) -> Image | None:
    """Return a file's picture reduced to at most this side, or None if it cannot be read."""
    from PIL import Image

    from henshin.errors import PictureError
    from henshin.images import read

    try:
        decoded = read(file)
    except PictureError:
        return None
    image = thumbnail(decoded.picture, decoded.alpha, side)
    return image if decoded.alpha is None else Image.alpha_composite(_chequerboard(image.size), image).convert("RGB")


def thumbnail(picture: Picture, alpha: Picture | None, side: int) -> Image:
    """Return a picture reduced to at most this side. Its pixels are weighted by its alpha (H, W), if it has any."""
    from PIL import Image

    image = Image.fromarray(picture)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=3.0)
    return image


def _chequerboard(size: tuple[int, int]) -> Image:
    """Return the background of transparent pictures."""
    from PIL import Image

    ground = Image.new("RGBA", size, LIGHT)
    for top in range(0, size[1], CHEQUER):
        for left in range(top % (2 * CHEQUER), size[0], 2 * CHEQUER):
            ground.paste(DARK, (left, top, left + CHEQUER, top + CHEQUER))
    return ground


MOST_SAMPLES = 60
"""Samples of each stage."""

SAMPLE_SIDE = 128
"""Pixels of a sample's longer side, at most."""

SAMPLES = "dropped"


class Samples:
    """The samples of dropped pictures in one output folder; ``folder`` None (a single output file) keeps none.

    Those with the lowest hashes are kept, so that they do not depend on the order in which pictures come.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER / SAMPLES
        self._names: dict[str, list[str]] = {}

    def add(self, input_hash: str, drop: Drop, picture: Picture, alpha: Picture | None = None) -> None:
        """Add a dropped picture if its hash is among the lowest of its stage. A write error is ignored."""
        if self.folder is None:
            return
        names = self.of(drop.stage)
        name = sample_name(input_hash, drop)
        if name in names or (len(names) >= MOST_SAMPLES and name > names[-1]):
            return
        try:
            _save_sample(self.folder / drop.stage / f"{name}.png", picture, alpha)
        except OSError as error:
            log.debug("no sample of what was dropped: %s", error)
            return
        names.append(name)
        names.sort()
        for last in names[MOST_SAMPLES:]:
            self.path(drop.stage, last).unlink(missing_ok=True)
        del names[MOST_SAMPLES:]

    def of(self, stage: str) -> list[str]:
        """Return the names of a stage's samples, the lowest first."""
        if stage not in self._names:
            folder = self.folder / stage if self.folder is not None else None
            files = folder.glob("*.png") if folder is not None else ()
            self._names[stage] = sorted(path.stem for path in files)
        return self._names[stage]

    def path(self, stage: str, name: str) -> Path:
        """Return the file of a sample. Errors: ValueError where no samples are kept."""
        if self.folder is None:
            raise ValueError("no samples are kept")
        return self.folder / stage / f"{name}.png"

    def remove(self, stage: str, name: str) -> None:
        """Remove a sample."""
        self.of(stage).remove(name)
        self.path(stage, name).unlink(missing_ok=True)


def sample_name(input_hash: str, drop: Drop) -> str:
    """Return the name of a dropped picture's sample: a hash of its content and of the drop, not of its path."""
    text = "\n".join((input_hash, drop.stage, drop.kind, drop.reason, drop.name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save_sample(path: Path, picture: Picture, alpha: Picture | None) -> None:
    image = thumbnail(picture, alpha, SAMPLE_SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as part:
        image.save(part, "PNG")

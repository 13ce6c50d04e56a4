"""What the stages have left out, over the whole record of a folder: counted by reason, and shown."""

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
from henshin.files import exists
from henshin.images.picture import Picture
from henshin.text import join_counts

if TYPE_CHECKING:
    from PIL.Image import Image


log = logging.getLogger("henshin")

SHEETS = "report"

LARGEST = 1 << 24
"""Bytes of a result that is still read for the sheet of what was kept."""


def tell_dropped(summary: Summary, prepared: PreparedRun, samples: Samples, recorded: int) -> None:
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


def _entries(prepared: PreparedRun) -> Iterator[RecordEntry]:
    """Yield how each source ended last, but for files that are no longer there."""
    for key, entry in prepared.manifest.entries.items():
        if key in prepared.keys or not os.path.isabs(key) or exists(key):  # noqa: PTH117
            yield entry


def _draw_dropped(summary: Summary, prepared: PreparedRun, samples: Samples) -> None:
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
        draw(f"dropped by {stage}: {join_counts(kinds)}{shown}", cells, place / f"dropped-{stage}.png")
    for path in place.glob("dropped-*.png"):
        if path.stem.removeprefix("dropped-") not in found:
            path.unlink()


def _instead(prepared: PreparedRun, drop: Drop) -> Path | None:
    """Return the result that stays in the place of what was dropped, where there is but one."""
    entry = prepared.manifest.last(drop.instead) if drop.instead is not None else None
    if entry is None or len(entry.outputs) != 1 or entry.outputs[0].size > LARGEST:
        return None
    return prepared.target.folder / entry.outputs[0].path


def _draw_kept(prepared: PreparedRun) -> None:
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


COLUMNS, CELL, GAP, LINE, LINES, FONT = 8, 128, 14, 13, 4, 11
"""Pictures in a row; pixels of a cell's side, between cells, and of a line of text; lines; size of the letters."""

BESIDE = 52
"""Pixels of a second picture's side."""

CHEQUER, LIGHT, DARK = 8, (225, 225, 225), (190, 190, 190)
"""Pixels of a square of the ground under what is transparent, and its two greys."""

PAPER, INK, FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)


class Cell(NamedTuple):
    """One picture of a sheet: its file, what it is called, what is said of it, and a second one in its corner."""

    file: Path
    name: str
    words: str
    beside: Path | None = None


def draw(title: str, cells: Sequence[Cell], path: Path) -> None:
    """Write a PNG of the pictures in their order, reading by rows. Errors: OSError."""
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    columns = max(1, min(COLUMNS, len(cells)))
    rows = -(-len(cells) // columns)
    width = max(columns * (CELL + GAP) + GAP, 3 * (CELL + GAP))
    high = CELL + LINES * LINE + GAP
    page = Image.new("RGB", (width, 3 * GAP + rows * high), PAPER)
    pen = ImageDraw.Draw(page)
    font, bold = ImageFont.load_default(FONT), ImageFont.load_default(FONT + 3)
    pen.text((GAP, GAP // 2), title, INK, bold)
    for number, cell in enumerate(cells):
        left, top = GAP + number % columns * (CELL + GAP), 3 * GAP + number // columns * high
        image = _opened(cell.file, CELL)
        if image is not None:
            page.paste(image, (left + (CELL - image.width) // 2, top + CELL - image.height))
        second = _opened(cell.beside, BESIDE) if cell.beside is not None else None
        if second is not None:
            framed = ImageOps.expand(second, 2, PAPER)
            page.paste(framed, (left + CELL - framed.width, top + CELL - framed.height))
        for line, (text, colour) in enumerate(_lines(cell)):
            pen.text((left, top + CELL + 3 + line * LINE), text, colour, font)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    page.save(side, "PNG")
    side.replace(path)


def _lines(cell: Cell) -> list[tuple[str, tuple[int, int, int]]]:
    """The end of the name, which tells pictures apart, and the words in as many lines as there is room for."""
    letters = CELL // 6
    name = cell.name if len(cell.name) <= letters else f"…{cell.name[1 - letters :]}"
    words = textwrap.wrap(cell.words, letters + 1, max_lines=LINES - 1, placeholder=" …")
    return [(name, INK), *((word, FAINT) for word in words)]


def _opened(file: Path, side: int) -> Image | None:
    """Return a picture of at most this side, or None where it cannot be read any more."""
    from PIL import Image

    from henshin.errors import PictureError
    from henshin.images import read

    try:
        found = read(file)
    except PictureError:
        return None
    image = reduced(found.picture, found.alpha, side)
    return image if found.alpha is None else Image.alpha_composite(_chequered(image.size), image).convert("RGB")


def reduced(picture: Picture, alpha: Picture | None, side: int) -> Image:
    """Return a picture of at most this side, with its alpha (H, W) if it has any; what is transparent has no weight."""
    from PIL import Image

    image = Image.fromarray(picture)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=3.0)
    return image


def _chequered(size: tuple[int, int]) -> Image:
    """Return the ground on which transparent pictures are shown."""
    from PIL import Image

    ground = Image.new("RGBA", size, LIGHT)
    for top in range(0, size[1], CHEQUER):
        for left in range(top % (2 * CHEQUER), size[0], 2 * CHEQUER):
            ground.paste(DARK, (left, top, left + CHEQUER, top + CHEQUER))
    return ground


MOST = 60
"""Pictures of each stage."""

SIDE = 128
"""Pixels of a sample's longer side, at most."""

DROPPED = "dropped"


class Samples:
    """The samples of one output folder; of none (a single output file) nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER / DROPPED
        self._known: dict[str, list[str]] = {}

    def take(self, input_hash: str, drop: Drop, picture: Picture, alpha: Picture | None = None) -> None:
        """Keep a picture if its hash is among the lowest of its stage; what cannot be written is passed over."""
        if self.folder is None:
            return
        known = self.of(drop.stage)
        own = name_of(input_hash, drop)
        if own in known or (len(known) >= MOST and own > known[-1]):
            return
        try:
            _save(self.folder / drop.stage / f"{own}.png", picture, alpha)
        except OSError as error:
            log.debug("no sample of what was dropped: %s", error)
            return
        known.append(own)
        known.sort()
        for last in known[MOST:]:
            self.path(drop.stage, last).unlink(missing_ok=True)
        del known[MOST:]

    def of(self, stage: str) -> list[str]:
        """Return the names of a stage's samples, the lowest first."""
        if stage not in self._known:
            folder = self.folder / stage if self.folder is not None else None
            found = folder.glob("*.png") if folder is not None else ()
            self._known[stage] = sorted(path.stem for path in found)
        return self._known[stage]

    def path(self, stage: str, name: str) -> Path:
        """Return where a sample lies. Errors: ValueError where no samples are kept."""
        if self.folder is None:
            raise ValueError("no samples are kept")
        return self.folder / stage / f"{name}.png"

    def forget(self, stage: str, name: str) -> None:
        """Remove the sample of what is no longer dropped."""
        self.of(stage).remove(name)
        self.path(stage, name).unlink(missing_ok=True)


def name_of(input_hash: str, drop: Drop) -> str:
    """Return what the sample of a dropped picture is called: by what it is, not by where it lay or when it came."""
    text = "\n".join((input_hash, drop.stage, drop.kind, drop.reason, drop.name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save(path: Path, picture: Picture, alpha: Picture | None) -> None:
    image = reduced(picture, alpha, SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    side = path.with_suffix(".part")
    image.save(side, "PNG")
    side.replace(path)

"""The contact sheet of a gallery: some of its pictures before and after, laid out as ``henshin sheet`` does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.gallery.entries import GalleryEntry, RecordedFile
from henshin.gallery.overview import STATUS_WORDS
from henshin.gallery.pictures import PictureStore

if TYPE_CHECKING:
    from henshin.images.picture import Picture

MOST = 96
"""Pictures on a sheet, spread evenly over all."""

SIDES = ("before", "after")

PAIRS, CELL = 4, 150
"""Pictures in a row, each before and after, and pixels of the longest side."""


def draw_contact_sheet(entries: Sequence[GalleryEntry], store: PictureStore, path: Path) -> None:
    """Write the contact sheet as a PNG, if it is not there as it would be. Errors: OSError."""
    from henshin import images
    from henshin.images.picture import Metadata
    from henshin.images.sheets.table import PictureTable, TableRow

    chosen = spread(entries, MOST)
    sides = [side for side in SIDES if side == SIDES[-1] or any(entry.before is not None for entry in chosen)]
    pairs = min(PAIRS, len(chosen))
    columns = [f"{side} {pair}" for pair in range(pairs) for side in sides]
    table = PictureTable(columns, [*sides] * pairs if len(sides) > 1 else [""] * pairs, CELL, font_size=11)
    rows = [TableRow(_title(len(chosen), len(entries)), dict.fromkeys(columns, (None, "")))]
    for first in range(0, len(chosen), pairs):
        cells: dict[str, tuple[Picture | None, str]] = dict.fromkeys(columns, (None, ""))
        for pair, entry in enumerate(chosen[first : first + pairs]):
            before, after, name = _before(entry, store), _after(entry, store), entry.name.rpartition("/")[2]
            shown = {"before": (before, name), "after": after if len(sides) > 1 else (after[0], name)}
            cells |= {f"{side} {pair}": shown[side] for side in sides}
        rows.append(TableRow("", cells))
    data = images.encode(table.draw(rows), None, Metadata(), "PNG", images.WriteOptions())
    if not path.is_file() or path.read_bytes() != data:
        images.write_bytes(path, data)


def spread(entries: Sequence[GalleryEntry], most: int) -> list[GalleryEntry]:
    """Return at most so many entries, evenly spread."""
    if len(entries) <= most:
        return list(entries)
    return [entries[number * len(entries) // most] for number in range(most)]


def _title(shown: int, total: int) -> str:
    return f"{shown} of {total} pictures" if shown < total else ""


def _before(entry: GalleryEntry, store: PictureStore) -> Picture | None:
    return None if entry.before is None else _picture(entry.before, store)


def _after(entry: GalleryEntry, store: PictureStore) -> tuple[Picture | None, str]:
    if not entry.after:
        return None, f"{STATUS_WORDS[entry.status]}: {entry.reason or ''}"
    more = f"and {len(entry.after) - 1} more" if len(entry.after) > 1 else ""
    shown = store.shown(entry.after[0])
    return _picture(entry.after[0], store), more or (shown.problem or "" if shown.picture is None else "")


def _picture(file: RecordedFile, store: PictureStore) -> Picture | None:
    """Return the small copy of a file, resized to a cell, on white where it is transparent; None if there is none."""
    import numpy as np
    from PIL import Image

    from henshin.images.resizing import fit_longest_side

    stored = store.shown(file).picture
    if stored is None:
        return None
    with Image.open(store.gallery / stored.small) as image:
        height, width = fit_longest_side(image.height, image.width, CELL)
        whole = image.convert("RGBA").resize((width, height), Image.Resampling.LANCZOS)
    ground = Image.new("RGBA", whole.size, "white")
    return np.asarray(Image.alpha_composite(ground, whole).convert("RGB"))

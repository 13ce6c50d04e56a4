"""The results of several branches beside their source, laid out as `henshin sheet` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.api.frame import Dropped
from henshin.config.options import ModelOption, find_options
from henshin.errors import PictureError
from henshin.images import read
from henshin.images.encoding import on_white
from henshin.images.resizing import fit_longest_side, resample
from henshin.images.sheets.table import FONT_SIZE, PictureTable, TableRow

if TYPE_CHECKING:
    from henshin.api.context import BranchResult
    from henshin.api.frame import Frame
    from henshin.api.stage import Stage
    from henshin.images.picture import Picture

_MOST_CELL = 1024
"""Longest side of a picture, in pixels, if the user names none."""

_LETTERS = 24
"""Font heights in a cell: headings stay legible where the page is shown at the width of a screen."""

_SOURCE, _AS_IT_IS = "source", "as it is"


def names_of(branches: Sequence[Sequence[Stage[Any]]]) -> list[str]:
    """Return a name for each branch: its last model, else its last stage; #1, #2, ... where a name comes twice."""
    names = [_name_of(branch) for branch in branches]
    return [
        f"{name} #{names[: position + 1].count(name)}" if names.count(name) > 1 else name
        for position, name in enumerate(names)
    ]


def _name_of(branch: Sequence[Stage[Any]]) -> str:
    models = [str(name) for stage in branch for _, name, _ in find_options(stage.config, ModelOption)]
    if models:
        return Path(models[-1]).stem if models[-1].endswith(".onnx") else models[-1]
    return branch[-1].name if branch else _AS_IT_IS


def lay_out(
    frame: Frame, names: Sequence[str], results: Sequence[BranchResult], cell: int | None, gap: int
) -> Picture | Dropped | PictureError:
    """Return the source and one column for each branch, (H, W, 3) uint8; ``cell`` None suits the largest result.

    A branch without a result has its reason in its column. If none has one, the reasons are returned: a PictureError,
    or Dropped where no branch failed.
    """
    shown = [_joined(result.frames, gap) for result in results]
    pictures = [picture for picture in shown if picture is not None]
    if not pictures:
        reasons = "; ".join(f"{name}: {_reason(result)}" for name, result in zip(names, results, strict=True))
        if any(result.failed for result in results):
            return PictureError(f"no branch has a result: {reasons}")
        return Dropped("no result", reasons)
    side = cell or min(_MOST_CELL, max(max(picture.shape[:2]) for picture in pictures))
    row = TableRow(cells={_SOURCE: (_fit(_source(frame), side), "")})
    for number, (picture, result) in enumerate(zip(shown, results, strict=True)):
        unchanged = len(result.frames) == 1 and result.frames[0].picture is frame.picture
        row.cells[str(number)] = (
            (None, _reason(result)) if picture is None else (_fit(picture, side), "unchanged" if unchanged else "")
        )
    columns = [_SOURCE, *map(str, range(len(names)))]
    return PictureTable(columns, [_SOURCE, *names], side, max(FONT_SIZE, side // _LETTERS), gap).draw([row])


def _reason(result: BranchResult) -> str:
    return f"{'failed' if result.failed else 'left out'} at {result.stage}: {result.reason}"


def _source(frame: Frame) -> Picture:
    """Return the source as its file has it; the frame's picture where the source is no file."""
    path = Path(frame.source)
    if not path.is_file():
        return on_white(frame.picture, frame.alpha)
    decoded = read(path)
    return on_white(decoded.picture, decoded.alpha)


def _joined(frames: Sequence[Frame], gap: int) -> Picture | None:
    """Return the pictures of the frames that came of one photo, side by side at the height of the first; or None."""
    pictures = [on_white(frame.picture, frame.alpha) for frame in frames]
    if len(pictures) <= 1:
        return pictures[0] if pictures else None
    height = pictures[0].shape[0]
    parts: list[Picture] = []
    for picture in pictures:
        parts += [np.full((height, gap, 3), 255, np.uint8)] * bool(parts)
        parts.append(resample(picture, height, max(1, round(picture.shape[1] * height / picture.shape[0]))))
    return np.concatenate(parts, 1)


def _fit(picture: Picture, side: int) -> Picture:
    return resample(picture, *fit_longest_side(picture.shape[0], picture.shape[1], side))

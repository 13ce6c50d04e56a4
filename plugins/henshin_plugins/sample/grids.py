"""Figures of samplers: a grid, a table of mixed styles, strips of interpolations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from henshin.config.block_range import styles_by_block
from henshin.errors import HenshinError, PictureError
from henshin.images import MOST_PIXELS
from henshin.images.resizing import fit_longest_side, resample
from henshin.runtime.latents import numbered_noise, spherical, straight, style_shape

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Model
    from henshin.images.picture import Picture
    from henshin_plugins.sample.config import SampleConfig

    Floats = npt.NDArray[np.float32]


class Table:
    """A page of equal pictures in rows and columns; empty cells are white."""

    def __init__(self, rows: int, columns: int, gap: int, cell: int | None) -> None:
        self.rows, self.columns, self.gap, self.cell = rows, columns, gap, cell
        self.page: Picture | None = None

    def put(self, row: int, column: int, picture: Picture) -> None:
        """Put a picture (H, W, 3) uint8 into a cell, resized to its size."""
        height, width = (
            picture.shape[:2] if self.cell is None else fit_longest_side(picture.shape[0], picture.shape[1], self.cell)
        )
        if self.page is None:
            self.page = np.full((*self.size(height, width), 3), 255, np.uint8)
        top, left = row * (height + self.gap), column * (width + self.gap)
        self.page[top : top + height, left : left + width] = resample(picture, height, width)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the page for pictures of these."""
        return self.rows * (height + self.gap) - self.gap, self.columns * (width + self.gap) - self.gap


def check(config: SampleConfig, model: Model) -> None:
    """Check the layout. Errors: HenshinError if the model cannot make the figure, or the figure would be too large."""
    name = config.model
    if config.layout == "mixing":
        if model.mapping is None:
            raise HenshinError(f"sample.layout: mixing is of styles, and '{name}' has no mapping; grid and between do")
        _mixed_layers(config, model)
    if config.space == "w" and model.mapping is None:
        raise HenshinError(f"sample.space: w is made by a mapping, and '{name}' has none; z would do")
    side = config.cell or model.contract.preferred_size
    if side is not None:
        height, width = _table(config).size(side, side)
        if height * width > MOST_PIXELS:
            most = f"{MOST_PIXELS // 1_000_000} megapixels are the most"
            raise HenshinError(f"sample.layout: this {config.layout} would be {width} x {height}, and {most}")


def figure(config: SampleConfig, model: Model) -> Picture | PictureError:
    """Return the figure of a layout, (H, W, 3) uint8, or an error that names the place of the failed picture."""
    table = _table(config)
    try:
        {"grid": _grid, "mixing": _mixing, "between": _between}[config.layout](config, model, table)
    except PictureError as error:
        return error
    assert table.page is not None
    return table.page


def _table(config: SampleConfig) -> Table:
    columns = min(config.columns, config.count)
    rows, columns = {
        "grid": (-(-config.count // columns), columns),
        "mixing": (config.rows + 1, config.columns + 1),
        "between": (config.rows, config.steps),
    }[config.layout]
    return Table(rows, columns, config.gap, config.cell)


def _grid(config: SampleConfig, model: Model, table: Table) -> None:
    size = model.samples_at_once
    for first in range(0, config.count, size):
        numbers = range(first, min(first + size, config.count))
        for number, picture in zip(
            numbers, model.sample(_noise(config, model, numbers), config.truncation), strict=True
        ):
            row, column = divmod(number, table.columns)
            table.put(row, column, _checked(picture, row, column))


def _mixing(config: SampleConfig, model: Model, table: Table) -> None:
    styles = model.styles(_noise(config, model, range(config.columns + config.rows)), config.truncation)
    top, left = styles[: config.columns], styles[config.columns :]
    is_mixed = np.zeros((1, styles.shape[1], 1), bool)
    is_mixed[:, _mixed_layers(config, model)] = True
    _put_row(model, table, 0, 1, top)
    for row, style in enumerate(left, 1):
        _put_row(model, table, row, 0, np.concatenate([style[None], np.where(is_mixed, style, top)]))


def _between(config: SampleConfig, model: Model, table: Table) -> None:
    by_styles = config.space == "w" or (config.space is None and model.mapping is not None)
    for row in range(config.rows):
        ends = _noise(config, model, (2 * row, 2 * row + 1))
        if by_styles:
            start, end = model.styles(ends, config.truncation)
            _put_row(model, table, row, 0, straight(start, end, config.steps))
        else:
            _put_row(model, table, row, 0, spherical(ends[0], ends[1], config.steps), config.truncation)


def _put_row(model: Model, table: Table, row: int, column: int, latents: Floats, truncation: float = 1.0) -> None:
    """Put the pictures of latents into a row, from a column on."""
    for number, picture in enumerate(model.sample(latents, truncation), column):
        table.put(row, number, _checked(picture, row, number))


def _checked(picture: Picture | PictureError, row: int, column: int) -> Picture:
    if isinstance(picture, PictureError):
        raise PictureError(f"row {row + 1}, column {column + 1}: {picture.reason}")
    return picture


def _noise(config: SampleConfig, model: Model, numbers: range | tuple[int, ...]) -> Floats:
    (length,) = model.contract.latent_shape or (0,)
    return numbered_noise(config.seed, numbers, length)


def _mixed_layers(config: SampleConfig, model: Model) -> list[int]:
    """Return the layers of w+ that come from the left column. Errors: HenshinError for missing blocks."""
    shape = style_shape(model) or (0, 0)
    try:
        blocks = styles_by_block(shape[0], model.contract.config.get("form") == "adain")
        return [layer for number in config.mix.numbers(len(blocks)) for layer in blocks[number - 1]]
    except HenshinError as error:
        raise HenshinError(f"sample.mix: '{config.model}': {error}") from error

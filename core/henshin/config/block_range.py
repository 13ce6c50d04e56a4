"""Which blocks of a network an option names: `from` and `to`, or the `last` so many; and which styles they take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from henshin.errors import HenshinError


class BlockRange(BaseModel):
    """Blocks counted from 1, the one of the smallest pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    first: int | None = Field(
        None, ge=1, le=1000, alias="from", description="The first block; else the first of the network."
    )
    to: int | None = Field(None, ge=1, le=1000, description="The last block; else the last of the network.")
    last: int | None = Field(None, ge=1, le=1000, description="In place of both: so many blocks, the last ones.")

    @model_validator(mode="after")
    def _once(self) -> BlockRange:
        if self.last is not None and (self.first is not None or self.to is not None):
            raise ValueError("'last' says which blocks; 'from' and 'to' would say it again")
        return self

    def numbers(self, count: int) -> range:
        """Return the blocks, of a network that has so many. Errors: HenshinError for blocks that are not there."""
        if self.last is not None and self.last > count:
            raise HenshinError(f"the last {self.last} blocks are asked for, and there are {count}")
        first, to = (self.first or 1, self.to or count) if self.last is None else (count - self.last + 1, count)
        if not first <= to <= count:
            raise HenshinError(f"blocks {first} to {to} are asked for, and there are blocks 1 to {count}")
        return range(first, to + 1)


def styles_by_block(layers: int, adain: bool = False) -> list[tuple[int, ...]]:
    """Return for each block which of `layers` styles are its own; a style that two blocks take is the later one's.

    A block's way to RGB takes the style of the next block's first layer, and that of the last block the last style. In
    the AdaIN form, whose first block has two layers as well, each block has two styles.
    Errors: HenshinError when blocks of two layers do not come out even.
    """
    if layers < 2 or layers % 2:
        raise HenshinError(f"of {layers} styles it is not known which belong to which block")
    count = layers // 2
    if adain:
        return [(2 * block, 2 * block + 1) for block in range(count)]
    blocks = [(0,), *((2 * block - 1, 2 * block) for block in range(1, count))]
    return [*blocks[:-1], (*blocks[-1], layers - 1)]

"""A range of a network's blocks as an option (`from` and `to`, or `last`), and the styles that belong to each block."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from henshin.errors import HenshinError


class BlockRange(BaseModel):
    """A range of blocks. They are counted from 1, beginning with the block of the smallest pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    first: int | None = Field(
        None, ge=1, le=1000, alias="from", description="The first block; else the first of the network."
    )
    to: int | None = Field(None, ge=1, le=1000, description="The last block; else the last of the network.")
    last: int | None = Field(None, ge=1, le=1000, description="In place of both: so many blocks, the last ones.")

    @model_validator(mode="after")
    def _check_last(self) -> BlockRange:
        if self.last is not None and (self.first is not None or self.to is not None):
            raise ValueError("'last' says which blocks; 'from' and 'to' would say it again")
        return self

    def numbers(self, count: int) -> range:
        """Return the numbers of the blocks in a network of ``count`` blocks.

        Errors: HenshinError for a block that the network does not have.
        """
        if self.last is not None and self.last > count:
            raise HenshinError(f"the last {self.last} blocks are asked for, and there are {count}")
        first, to = (self.first or 1, self.to or count) if self.last is None else (count - self.last + 1, count)
        if not first <= to <= count:
            raise HenshinError(f"blocks {first} to {to} are asked for, and there are blocks 1 to {count}")
        return range(first, to + 1)


def styles_by_block(layers: int, adain: bool = False) -> list[tuple[int, ...]]:
    """Return for each block the indices of its styles among ``layers``. A style of two blocks belongs to the later one.

    The RGB layer of a block uses the style of the next block's first layer; that of the last block uses the last style.
    With ``adain`` the first block has two layers too, so each block has two styles.
    Errors: HenshinError for an odd number of styles, or fewer than two.
    """
    if layers < 2 or layers % 2:
        raise HenshinError(f"of {layers} styles it is not known which belong to which block")
    count = layers // 2
    if adain:
        return [(2 * block, 2 * block + 1) for block in range(count)]
    blocks = [(0,), *((2 * block - 1, 2 * block) for block in range(1, count))]
    return [*blocks[:-1], (*blocks[-1], layers - 1)]

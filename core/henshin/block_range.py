"""Which blocks of a network an option names: `from` and `to`, or the `last` so many."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from henshin.errors import HenshinError


class BlockRange(BaseModel):
    """Blocks counted from 1, the one of the smallest pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    first: int | None = Field(None, ge=1, alias="from", description="The first block; else the first of the network.")
    to: int | None = Field(None, ge=1, description="The last block; else the last of the network.")
    last: int | None = Field(None, ge=1, description="In place of both: so many blocks, the last ones.")

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

"""The stage `sample`: pictures generated from noise, single or in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Context, Frame, HenshinError, PictureError, Stage, hookimpl
from henshin_plugins.sample.config import DIGITS, SampleConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from henshin import Model, Picture


class Sample(Stage[SampleConfig]):
    """Generate pictures from noise with a sampler, single or in a figure. It stands first and takes no input.

    The noise of picture i is `numpy.random.default_rng([seed, i]).standard_normal(D)`, in a figure too. A mixing table
    has the pictures 0, 1, ... in its top row and the following ones in its left column; each picture inside takes the
    blocks of `mix` from the left and the others from above (Karras et al. 2019). Strips interpolate from picture 0 to
    1, from 2 to 3, ...
    """

    name = "sample"
    Config = SampleConfig
    works_on = "source"

    def depends_on(self) -> Mapping[str, str]:
        """Return the number of pictures of a grid, which depends on it; single pictures do not."""
        return {"count": str(self.config.count)} if self.config.layout == "grid" else {}

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError if it is no sampler, or cannot make the layout."""
        self.model: Model = context.model(self.config.model)
        contract = self.model.contract
        if contract.kind != "sampler":
            raise HenshinError(f"sample.model: '{self.config.model}' is a {contract.kind}, and a sampler is wanted")
        if contract.latent_shape is None or len(contract.latent_shape) != 1:
            raise HenshinError(f"sample.model: '{self.config.model}' does not say from how many numbers it draws")
        if self.config.layout != "pictures":
            from henshin_plugins.sample.grids import check

            check(self.config, self.model)
        self.length = contract.latent_shape[0]
        context.log.info("sample: %s on %s", contract.name, self.model.describe())

    def sources(self) -> Sequence[str]:
        """Return the names of the pictures or of the figure."""
        if self.config.layout != "pictures":
            return [f"{self.config.name}-{self.config.layout}"]
        return [f"{self.config.name}-{number:0{DIGITS}d}" for number in range(self.config.count)]

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures, or the figure; the batch size changes none of them."""
        names = self.sources()
        if self.config.layout != "pictures":
            from henshin_plugins.sample.grids import figure

            yield _frame(names[0], figure(self.config, self.model))
            return
        from henshin.runtime.latents import numbered_noise

        size = self.model.samples_at_once
        for first in range(0, len(names), size):
            part = names[first : first + size]
            noise = numbered_noise(self.config.seed, range(first, first + len(part)), self.length)
            pictures = self.model.sample(noise, self.config.truncation)
            for name, picture in zip(part, pictures, strict=True):
                yield _frame(name, picture)


def _frame(name: str, picture: Picture | PictureError) -> Frame:
    """Return the frame of a picture, or of the error in its place."""
    import numpy as np

    if isinstance(picture, PictureError):
        return Frame(name, name, np.zeros((1, 1, 3), np.uint8), error=picture)
    return Frame(name, name, picture)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Sample]

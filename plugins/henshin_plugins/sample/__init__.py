"""Plugin: `sample`, pictures drawn from noise, one by one or in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Context, Frame, HenshinError, PictureError, Stage, hookimpl
from henshin_plugins.sample.config import DIGITS, SampleConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from henshin import Model, Picture


class Sample(Stage[SampleConfig]):
    """Draw pictures from noise with a sampler, one by one or in a figure. It stands first and takes no input.

    Picture i is drawn from `numpy.random.default_rng([seed, i]).standard_normal(D)`, in a figure too. A mixing table
    has the pictures 0, 1, ... in its top row and goes on with them in its left column; each picture inside takes the
    blocks of `mix` from the left and the others from above (Karras et al. 2019). Strips go from picture 0 to 1, from 2
    to 3, ...
    """

    name = "sample"
    Config = SampleConfig
    works_on = "source"

    def depends_on(self) -> Mapping[str, str]:
        """Say how many pictures a grid has: other than of single pictures, that changes it."""
        return {"count": str(self.config.count)} if self.config.layout == "grid" else {}

    def open(self, context: Context) -> None:
        """Open the model. Errors: HenshinError when it draws nothing from noise, or not what the layout is made of."""
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
        """Name what will be drawn."""
        if self.config.layout != "pictures":
            return [f"{self.config.name}-{self.config.layout}"]
        return [f"{self.config.name}-{number:0{DIGITS}d}" for number in range(self.config.count)]

    def frames(self) -> Iterator[Frame]:
        """Draw and give the pictures one by one, or the figure; what a batch is changes none of them."""
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
            for name, drawn in zip(part, pictures, strict=True):
                yield _frame(name, drawn)


def _frame(name: str, drawn: Picture | PictureError) -> Frame:
    """Return what was drawn, or why it was not."""
    import numpy as np

    if isinstance(drawn, PictureError):
        return Frame(name, name, np.zeros((1, 1, 3), np.uint8), error=drawn)
    return Frame(name, name, drawn)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Sample]

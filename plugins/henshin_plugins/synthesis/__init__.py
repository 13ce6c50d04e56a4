"""The stage `synthesis`: pictures drawn from the latents that stages before it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Context, Frame, PictureError, Stage, hookimpl
from henshin_plugins.synthesis.config import SynthesisConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin_plugins.synthesis.config import Latents


class Synthesis(Stage[SynthesisConfig]):
    """Draw every crop, or photo, anew from its latents, those that `inversion` left in `frame.latents`.

    What is drawn is put in its place, also if the latents were found with another model: that is how a face goes from
    one domain to the other. All models of one picture size whose mapping is the same understand each other's latents,
    such as a StyleGAN2 and what `stylegan2-freeze` and `henshin blend` made of it. Needs no PyTorch.
    """

    name = "synthesis"
    Config = SynthesisConfig
    works_on = "frames"

    @property
    def needs(self) -> frozenset[str]:
        """The latents that its options name."""
        chosen = self.config.latents
        names = [chosen] if isinstance(chosen, str) else [chosen.base, *(swap.latents for swap in chosen.swaps)]
        return frozenset(f"latents:{name}" for name in names)

    def open(self, context: Context) -> None:
        """Open the models. Errors: HenshinError when it is no synthesis, or has no such blocks, or no mean style."""
        from henshin_plugins.synthesis.styles import Styles

        halves = context.store.halves(self.config.model, context.base)
        self.model = context.model(halves[1] if halves else self.config.model)
        wanted = halves and self.config.truncation < 1
        self.styles = Styles(self.config, self.model, context.model(halves[0]) if wanted else None)
        context.log.info("synthesis: %s on %s", self.model.contract.name, self.model.describe())

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Put what is drawn of the latents of each crop or photo in its place; a frame that lacks some says which."""
        import numpy as np

        from henshin.api.placement import place_result, places

        styles: list[Latents] = []
        found = []
        for frame in items:
            here = places([frame], self.zone == "crops")
            if not here:
                continue  # faces of which none was cut out
            try:
                styles.append(self.styles(frame, len(here)))
                found += here
            except PictureError as error:
                frame.error = error
        if found:
            for place, drawn in zip(found, self.model.sample(np.concatenate(styles)), strict=True):
                place_result(place, drawn)
        return list(items)

    def close(self) -> None:
        """Let go of the models."""
        self.__dict__.pop("model", None)
        self.__dict__.pop("styles", None)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Synthesis]

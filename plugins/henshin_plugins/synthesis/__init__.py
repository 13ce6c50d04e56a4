"""The stage `synthesis`: pictures generated from the latents of earlier stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Context, Frame, PictureError, Stage, hookimpl
from henshin_plugins.synthesis.config import SynthesisConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin_plugins.synthesis.config import Latents


class Synthesis(Stage[SynthesisConfig]):
    """Replace every crop, or photo, by the picture of its latents, which `inversion` left in `frame.latents`.

    The latents may come from another model: so a face is translated from one domain to another. Models of one picture
    size with the same mapping share their latents, such as a StyleGAN2 and those that `stylegan2-freeze` and `henshin
    blend` made from it. Needs no PyTorch.
    """

    name = "synthesis"
    Config = SynthesisConfig
    works_on = "frames"
    concurrent = True

    @property
    def needs(self) -> frozenset[str]:
        """The latents named in its options."""
        chosen = self.config.latents
        names = [chosen] if isinstance(chosen, str) else [chosen.base, *(swap.latents for swap in chosen.swaps)]
        return frozenset(f"latents:{name}" for name in names)

    def open(self, context: Context) -> None:
        """Open the models. Errors: HenshinError for another kind of model, missing blocks, or no mean style."""
        from henshin_plugins.synthesis.styles import Styles

        halves = context.store.halves(self.config.model, context.base)
        self.model = context.model(halves[1] if halves else self.config.model)
        wanted = halves and self.config.truncation < 1
        self.styles = Styles(self.config, self.model, context.model(halves[0]) if wanted else None)
        context.log.info("synthesis: %s on %s", self.model.contract.name, self.model.describe())

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Replace each crop or photo by the picture of its latents; a frame without them fails with their name."""
        import numpy as np

        from henshin.api.placement import place_result, places

        styles: list[Latents] = []
        all_places = []
        for frame in items:
            frame_places = places([frame], self.zone == "crops")
            if not frame_places:
                continue  # faces without crops
            try:
                styles.append(self.styles(frame, len(frame_places)))
                all_places += frame_places
            except PictureError as error:
                frame.error = error
        if all_places:
            for place, picture in zip(all_places, self.model.sample(np.concatenate(styles)), strict=True):
                place_result(place, picture)
        return list(items)

    def close(self) -> None:
        """Release the models."""
        self.__dict__.pop("model", None)
        self.__dict__.pop("styles", None)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Synthesis]

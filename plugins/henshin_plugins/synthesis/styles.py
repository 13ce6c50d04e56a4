"""Styles for a synthesis, each layer from the frame's latents of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.config.block_range import styles_by_block
from henshin.errors import HenshinError, PictureError
from henshin.text import join_counts, join_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Frame, Model
    from henshin_plugins.synthesis.config import SynthesisConfig

    Latents = npt.NDArray[np.float32]


class Styles:
    """A function from the latents of a frame to styles (K, L, D).

    Errors: HenshinError if the model is no synthesis of styles or lacks the blocks to swap, or for a truncation without
    a mapping that holds the mean style.
    """

    def __init__(self, config: SynthesisConfig, model: Model, mapping: Model | None) -> None:
        contract = model.contract
        self.model = config.model
        if contract.kind != "synthesis":
            raise HenshinError(f"synthesis.model: '{self.model}' is no synthesis; its kind is {contract.kind}")
        shape = contract.latent_shape or model.network.inputs[0].shape[1:]
        sides = [side for side in shape if isinstance(side, int)]
        if len(shape) != 2 or len(sides) != 2:
            raise HenshinError(f"synthesis.model: '{self.model}' draws from {shape}, not from a style for each layer")
        self.shape = (sides[0], sides[1])
        self.names = self._names(config, contract.config.get("form") == "adain")
        self.truncation = config.truncation
        self.mean = _mean(config, mapping, self.shape[1]) if config.truncation < 1 else None

    def __call__(self, frame: Frame, count: int) -> Latents:
        """Return the styles of a frame's `count` crops, or of its photo. Errors: PictureError for unfit latents."""
        latents = {name: self._latents(frame, name, count) for name in dict.fromkeys(self.names)}
        styles = np.stack([latents[name][:, layer] for layer, name in enumerate(self.names)], axis=1)
        if self.mean is not None:
            styles = self.mean + (styles - self.mean) * np.float32(self.truncation)
        return styles

    def _names(self, config: SynthesisConfig, adain: bool) -> list[str]:
        """Return the name of the latents for each layer."""
        chosen = config.latents
        if isinstance(chosen, str):
            return [chosen] * self.shape[0]
        names = [chosen.base] * self.shape[0]
        try:
            blocks = styles_by_block(self.shape[0], adain)
            for swap in chosen.swaps:
                for number in swap.numbers(len(blocks)):
                    for layer in blocks[number - 1]:
                        names[layer] = swap.latents
        except HenshinError as error:
            raise HenshinError(f"synthesis.latents.swap: '{self.model}': {error}") from error
        return names

    def _latents(self, frame: Frame, name: str, count: int) -> Latents:
        if name not in frame.latents:
            there = f"there are: {join_names(frame.latents)}" if frame.latents else "there are none"
            raise PictureError(f"no latents are called '{name}'; {there}")
        value: Any = np.asarray(frame.latents[name])
        if value.dtype.kind != "f" or value.ndim != 3:
            raise PictureError(f"latents '{name}' are {value.dtype} {value.shape}, and styles are float32 (K, L, D)")
        if value.shape[1:] != self.shape:
            these = f"latents '{name}' are of another model"
            raise PictureError(f"{these}: {value.shape[1:]} each, and '{self.model}' draws from {self.shape}")
        if len(value) != count:
            have, want = join_counts({"rows": len(value)}), join_counts({"crops" if frame.faces else "photos": count})
            raise PictureError(
                f"latents '{name}' have {have} for {want}: a stage between changed the faces without frame.keep"
            )
        if not np.isfinite(value).all():
            raise PictureError(f"latents '{name}' hold values that are not finite")
        found: Latents = value.astype(np.float32, copy=False)
        return found


def _mean(config: SynthesisConfig, mapping: Model | None, length: int) -> Latents:
    if mapping is None:
        raise HenshinError(f"synthesis.truncation: '{config.model}' has no mapping beside it that knows the mean style")
    # truncation to 0 leaves the mean; the noise is not zeros, because only its direction counts
    return mapping.styles(np.ones((1, (mapping.contract.latent_shape or (length,))[0]), np.float32), 0.0)

"""The stage `inversion`: from a picture to the latent of a StyleGAN2 that reproduces it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from henshin import Frame, Stage, hookimpl
from henshin_plugins.inversion.config import InversionConfig

if TYPE_CHECKING:
    from henshin import Context, Picture, PictureError
    from henshin_plugins.inversion.cache import Inverted


class Inversion(Stage[InversionConfig]):
    """Find for every crop, or photo, the latent from which a StyleGAN2 best reproduces it (Karras et al. 2020, app. D).

    Pictures are resized to the model's size, a square, and compared there:
    loss = alpha * perceptual + (1 - alpha) * MSE, over pictures in [-1, 1]. `frame.latents[name]` is then (K, L, D)
    float32, the input of NAME-synthesis: row k belongs to the frame's k-th crop in the order of its faces, or the only
    row to the photo. Results are cached: the same picture with the same model and options is not computed again.
    """

    name = "inversion"
    Config = InversionConfig
    works_on = "frames"
    extra = "train"
    at_once = 8

    @property
    def gives(self) -> frozenset[str]:
        """The latents of its name."""
        return frozenset({f"latents:{self.config.name}"})

    def open(self, context: Context) -> None:
        """Build the network. Errors: HenshinError if it is no StyleGAN2, MissingError without weights or VGG-19."""
        from henshin_plugins.inversion.cache import LatentCache
        from henshin_plugins.inversion.optimise.inverter import Inverter, network_of

        source, cache = network_of(self.config, context), context.cache / "inversion"
        self.inverter = Inverter(self.config, source, context.device.hardware, context.log, cache)
        encoder = self._encoder(context)
        self.cache = LatentCache(cache, self.config, f"{self.inverter.identity} {encoder}", context.log)
        context.log.info("inversion: %s, %d px, on %s", self.config.model, self.inverter.size, context.device.hardware)

    def _encoder(self, context: Context) -> str:
        """Open the encoder, if any; return the hash of its file. Errors: HenshinError for latents of another shape."""
        from henshin import HenshinError
        from henshin.files import hash_file

        self.encoder = None
        if self.config.encoder is None:
            return ""
        self.encoder = context.model(self.config.encoder)
        shape, wanted = self.encoder.contract.latent_shape, (self.inverter.layers, self.inverter.latent)
        if shape is None or tuple(shape) != wanted:
            raise HenshinError(
                f"inversion.encoder: '{self.config.encoder}' guesses latents {shape}, and '{self.config.model}' "
                f"takes {wanted}; wanted: an encoder trained for this model"
            )
        return hash_file(context.store.find(self.config.encoder, context.base).path)

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Store the latents of all crops or photos in their frames, and put the reconstructions in their places.

        If a crop fails, its frame fails with the reason; the other frames go on.
        """
        import numpy as np

        from henshin import PictureError
        from henshin.api.placement import picture_at, place_result, places

        all_places = places(items, self.zone == "crops")
        latents: dict[int, list[Any]] = {}
        for place, result in zip(all_places, self._inverted([picture_at(place) for place in all_places]), strict=True):
            frame, face = place
            if isinstance(result, PictureError):
                which = f"face {frame.faces.index(face) + 1}: " if face is not None and len(frame.faces) > 1 else ""
                place_result(place, PictureError(f"{which}{result.reason}"))
                continue
            latents.setdefault(id(frame), []).append(result.latent)
            if self.config.output == "reconstruction":
                place_result(place, result.picture)
        for frame in items:
            if frame.error is None and id(frame) in latents:
                frame.latents = {**frame.latents, self.config.name: np.stack(latents[id(frame)])}
        return list(items)

    def _inverted(self, pictures: Sequence[Picture]) -> list[Inverted | PictureError]:
        """Return cached results, and invert the other pictures together, equal ones only once."""
        from henshin.errors import PictureError
        from henshin.images.resizing import resample

        size = self.inverter.size
        targets = [resample(picture, size, size) for picture in pictures]
        keys = [self.cache.key(target) for target in targets]
        results: dict[str, Inverted | PictureError] = {}
        for key in dict.fromkeys(keys):
            cached = self.cache.read(key)
            if cached is not None:
                results[key] = cached
        missing = {key: target for key, target in zip(keys, targets, strict=True) if key not in results}
        guesses: list[Any] | None = None
        if self.encoder is not None:
            # one by one: in a batch the last bit of a guess depends on the other pictures, and the result on that bit
            guess_of = {key: self.encoder.encode([target])[0] for key, target in missing.items()}
            results |= {key: guess for key, guess in guess_of.items() if isinstance(guess, PictureError)}
            missing = {key: target for key, target in missing.items() if key not in results}
            guesses = [guess_of[key] for key in missing]
        if missing:
            for key, result in zip(missing, self.inverter(list(missing.values()), guesses), strict=True):
                results[key] = result
                if not isinstance(result, PictureError):
                    self.cache.write(key, result)
        return [results[key] for key in keys]

    def close(self) -> None:
        """Release the networks."""
        self.__dict__.pop("inverter", None)
        self.__dict__.pop("encoder", None)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [Inversion]

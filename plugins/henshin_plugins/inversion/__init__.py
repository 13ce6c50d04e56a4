"""The stage `inversion`: from a picture back to the latent that a StyleGAN2 draws it from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from henshin import Frame, Stage, hookimpl
from henshin_plugins.inversion.config import InversionConfig

if TYPE_CHECKING:
    from henshin import Context, Picture, PictureError
    from henshin_plugins.inversion.cache import Inverted


class Inversion(Stage[InversionConfig]):
    """Find for every crop, or photo, the latent from which a StyleGAN2 draws it best (Karras et al. 2020, appendix D).

    It is brought to the model's size, a square, and compared there:
    loss = alpha * perceptual + (1 - alpha) * MSE, over pictures in [-1, 1]. `frame.latents[name]` is then (K, L, D)
    float32, what NAME-synthesis takes: row k of the frame's crop k in the order of its faces, or one of the photo.
    What was found is kept in the cache, so that the same picture with the same model and options costs nothing again.
    """

    name = "inversion"
    Config = InversionConfig
    works_on = "frames"
    extra = "train"

    @property
    def gives(self) -> frozenset[str]:
        """Latents of its name."""
        return frozenset({f"latents:{self.config.name}"})

    def open(self, context: Context) -> None:
        """Build the network. Errors: HenshinError when it is no StyleGAN2, MissingError without weights or VGG-19."""
        from henshin_plugins.inversion.cache import LatentCache
        from henshin_plugins.inversion.optimise.inverter import Inverter, network_of

        source, cache = network_of(self.config, context), context.cache / "inversion"
        self.inverter = Inverter(self.config, source, str(context.device), context.log, cache)
        encoder = self._encoder(context)
        self.kept = LatentCache(cache, self.config, f"{self.inverter.identity} {encoder}", context.log)
        context.log.info("inversion: %s, %d px, on %s", self.config.model, self.inverter.size, context.device)

    def _encoder(self, context: Context) -> str:
        """Open the encoder, if there is one: the hash of its file. Errors: HenshinError when its latents are others."""
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
        """Put the latents of all crops or photos into their frames, and what is drawn from them in their place.

        A crop that fails fails its frame, which says why; the others go on.
        """
        import numpy as np

        from henshin import PictureError
        from henshin.api.placement import picture_at, place_result, places

        found = places(items, self.zone == "crops")
        latents: dict[int, list[Any]] = {}
        for place, result in zip(found, self._inverted([picture_at(place) for place in found]), strict=True):
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
        """Look into the cache, and do the rest together; the same picture twice only once."""
        from henshin.errors import PictureError
        from henshin.images.resizing import resample

        size = self.inverter.size
        targets = [resample(picture, size, size) for picture in pictures]
        keys = [self.kept.key(target) for target in targets]
        known: dict[str, Inverted | PictureError] = {}
        for key in dict.fromkeys(keys):
            there = self.kept.read(key)
            if there is not None:
                known[key] = there
        new = {key: target for key, target in zip(keys, targets, strict=True) if key not in known}
        guesses: list[Any] | None = None
        if self.encoder is not None:
            # one by one: in a batch the last bit of a guess would depend on the others, and the end on that bit
            tried = {key: self.encoder.encode([target])[0] for key, target in new.items()}
            known |= {key: guess for key, guess in tried.items() if isinstance(guess, PictureError)}
            new = {key: target for key, target in new.items() if key not in known}
            guesses = [tried[key] for key in new]
        if new:
            for key, result in zip(new, self.inverter(list(new.values()), guesses), strict=True):
                known[key] = result
                if not isinstance(result, PictureError):
                    self.kept.write(key, result)
        return [known[key] for key in keys]

    def close(self) -> None:
        """Let go of the networks."""
        self.__dict__.pop("inverter", None)
        self.__dict__.pop("encoder", None)


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Give the stage of this plugin."""
    return [Inversion]

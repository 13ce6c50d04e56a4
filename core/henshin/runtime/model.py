"""An exported model for pictures of any size: translation in batches and tiles, sampling, encoding."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from henshin.errors import HenshinError, PictureError
from henshin.images.picture import Picture, picture_problem
from henshin.images.resizing import scaled_size_problem
from henshin.runtime.onnx_model import OnnxModel
from henshin.runtime.session import AfterRun, NetworkError, OutOfMemoryError, Session
from henshin.runtime.tiling import BUDGET, Window, default_side, round_up, smallest_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from henshin.models import Contract
    from henshin.runtime.tiled_picture import TiledPicture

    Part = tuple[TiledPicture, Window]

_GPU_BATCH_PIXELS = 16 * 256 * 256
"""Pixels of output in one batch on a GPU, if the user sets no batch size. For networks that can be tiled the limit is
that of one tile: ``tiling.BUDGET``."""

_LARGE_RESULT = 8 << 20
"""Pixels of output after which the working memory is freed, because the writing of large files follows. To allocate it
again takes 0.4 seconds for a gigabyte, a fortieth of the time for so many pixels."""

_log = logging.getLogger("henshin.runtime")


class Model(OnnxModel):
    """An exported network with its contract. It translates pictures, generates them from latents or encodes them.

    ``batch_size`` None suits the device: 1 on the CPU, where larger batches only cost cache, and on a GPU the pixels of
    16 pictures of 256 x 256. A batch that does not fit into memory is halved. ``tile`` is the side of a square:
    pictures with more pixels are tiled if the network has a finite reach; None suits the device. A sampler of two
    models is its synthesis, with a ``mapping``.
    Errors: HenshinError if the contract names an input or output that the network does not have, or a wrong layout, or
    if the mapping gives other styles than the synthesis takes.
    """

    def __init__(
        self,
        contract: Contract,
        network: Session,
        batch_size: int | None = None,
        tile: int | None = None,
        mapping: Model | None = None,
    ) -> None:
        super().__init__(contract, network, batch_size, mapping)
        self._batch_limits: dict[tuple[int, int], int] = {}
        if mapping is not None:
            from henshin.runtime.latents import check_pair

            check_pair(mapping.network, network)
        self._tile_side = self._initial_tile_side(tile)

    def translate(self, pictures: Sequence[Picture]) -> list[Picture | PictureError]:
        """Translate pictures (H, W, 3) uint8 of any sizes into (H * scale, W * scale, 3), in the same order.

        Windows of equal shape share batches, across pictures and tiles. Pictures are padded only to the size multiple.
        A picture on which the network fails, or whose result would be too large, becomes a PictureError in its place;
        the others are translated.
        Errors: HenshinError if this model is no translator, or gives another size than its contract says.
        """
        from henshin.runtime.tiled_picture import RETRY_SIDE

        if self.contract.kind != "translator":
            raise HenshinError(self.contract.not_translator_message)
        results: list[Picture | PictureError | None] = [None] * len(pictures)
        todo: list[tuple[int, Picture, int]] = []
        for index, picture in enumerate(pictures):
            problem = self._problem(picture)
            if problem is None:
                todo.append((index, picture, 1))
            else:
                results[index] = problem
        while todo:
            tiled_pictures = self._run_all(todo)
            todo = []
            for tiled in tiled_pictures:
                if tiled.error is None:
                    results[tiled.index] = tiled.result(self.contract.scale)
                elif not tiled.no_memory_for_result and self._shrink_tiles(tiled):
                    todo.append((tiled.index, tiled.picture, tiled.minimum_side))
                elif tiled.can_retry_padded:
                    todo.append((tiled.index, tiled.picture, RETRY_SIDE))
                else:
                    results[tiled.index] = tiled.error
        return [result for result in results if result is not None]

    def sample(self, latents: npt.NDArray[np.float32], truncation: float = 1.0) -> list[Picture | PictureError]:
        """Generate a picture (H, W, 3) uint8 from each latent, in the same order: noise (N, D), or styles (N, L, D).

        A synthesis takes styles, a sampler noise, a sampler with a mapping either. ``truncation`` below 1 moves
        pictures towards the model's mean picture: with a mapping the styles are moved towards their mean, else the
        noise is multiplied by it. Styles that are given are not truncated.
        Batches have ``samples_at_once`` latents, halved if memory is short. A latent on which the network fails becomes
        a PictureError in its place. Errors: HenshinError if this model does not take such latents.
        """
        from henshin.runtime.latents import sample

        return sample(self, latents, truncation)

    def encode(self, pictures: Sequence[Picture]) -> list[npt.NDArray[np.float32] | PictureError]:
        """Estimate for each picture (H, W, 3) uint8 the latent (L, D) with which a generator reproduces it, in order.

        A picture is first resized to the encoder's square. Batches have ``samples_at_once`` pictures, halved if memory
        is short. A picture on which the network fails becomes a PictureError in its place.
        Errors: HenshinError if this model is no encoder, or gives other latents than its contract says.
        """
        from henshin.runtime.latents import encode

        return encode(self, pictures)

    def styles(self, noise: npt.NDArray[np.float32], truncation: float = 1.0) -> npt.NDArray[np.float32]:
        """Turn noise (N, D) into styles (N, L, D) with this mapping, or with that of this sampler; see ``sample``.

        Errors: HenshinError without a mapping, or for a truncation without a mean style; NetworkError.
        """
        from henshin.runtime.latents import styles

        return styles(self.mapping or self, noise, truncation)

    def describe(self) -> str:
        """Return one line for the plan of a run: the device, the provider and the handling of large pictures."""
        contract = self.contract
        text = f"{self.network.device} ({self.network.provider})"
        if contract.kind == "encoder":
            from henshin.runtime.latents import encoder_side

            return f"{text}, every picture brought to {encoder_side(self)} pixels square"
        if contract.kind != "translator":
            return text
        if self._fixed_size is not None:
            height, width = self._fixed_size
            return f"{text}, every picture brought to {width} x {height} and back: it takes no other size"
        if isinstance(contract.reach, int):
            side = self._tile_side
            return f"{text}, above {side} x {side} pixels in tiles with {contract.reach} pixels around them"
        return f"{text}, whole; {contract.large_picture_note}"

    def _problem(self, picture: Picture) -> PictureError | None:
        """Return the error for a picture that the network is not given, or None."""
        wrong = picture_problem(picture)
        if wrong is not None:
            return PictureError(f"model '{self.contract.name}' was given {wrong}")
        return scaled_size_problem(picture.shape[0], picture.shape[1], self.contract.scale)

    def _initial_tile_side(self, tile: int | None) -> int:
        reach, multiple = self.contract.reach, self.contract.size_multiple
        if not isinstance(reach, int):
            return 0
        side = tile or default_side("cuda" if self.network.device.is_gpu else "cpu", self.contract.scale, reach)
        if self.contract.maximum_size is not None:
            side = min(side, self.contract.maximum_size)
        return round_up(max(side, smallest_side(reach, multiple)), multiple)

    def _run_all(self, todo: list[tuple[int, Picture, int]]) -> list[TiledPicture]:
        from henshin.runtime.tiled_picture import plan_tiles

        tiled_pictures = [
            plan_tiles(index, picture, self.contract, self._tile_side, self._fixed_size, least)
            for index, picture, least in todo
        ]
        groups: dict[tuple[int, int], list[Part]] = {}
        for tiled in tiled_pictures:
            for window in tiled.windows:
                groups.setdefault(window.shape, []).append((tiled, window))
        for shape, parts in groups.items():
            self._run_group(shape, parts)
        return tiled_pictures

    def _run_group(self, shape: tuple[int, int], parts: list[Part]) -> None:
        position = 0
        while position < len(parts):
            size = self._batch_size_for(shape)
            batch = [part for part in parts[position : position + size] if part[0].error is None]
            try:
                if batch:
                    self.network.memory = self._memory_mode(shape, parts, position + size)
                    self._run_batch(batch)
            except OutOfMemoryError as error:
                if len(batch) > 1 and self._fixed_batch is None:
                    self._batch_limits[shape] = len(batch) // 2
                    continue
                for part in batch:
                    self._fail(part, error)
            except NetworkError as error:
                self._run_one_by_one(batch, error)
            position += size

    def _run_one_by_one(self, batch: list[Part], error: NetworkError) -> None:
        """Run the pictures of a failed batch one by one, so that only those fail that fail alone."""
        for part in batch:
            if len(batch) == 1:
                self._fail(part, error)
                continue
            try:
                self._run_batch([part])
            except NetworkError as own:
                self._fail(part, own)

    def _run_batch(self, batch: list[Part]) -> None:
        import numpy as np

        scale = self.contract.scale
        cuts = [tiled.cut(window) for tiled, window in batch]
        count = max(len(cuts), self._fixed_batch or 0)
        pictures = cuts[0][None] if count == 1 else np.stack(cuts + [cuts[-1]] * (count - len(cuts)))
        results = self.run(pictures)
        height, width = pictures.shape[1:3]
        if results.shape != (count, height * scale, width * scale, 3) or results.dtype != np.uint8:
            raise HenshinError(
                f"model '{self.contract.name}' turned {pictures.shape} into {results.dtype} {results.shape}, "
                f"but its contract says scale {scale}"
            )
        for (tiled, window), result in zip(batch, results, strict=False):
            try:
                if count > 1 or not tiled.take(result, scale):
                    tiled.paste(window, result, scale)
            except MemoryError:
                rows, columns = (side * scale for side in tiled.network_size)
                tiled.no_memory_for_result = True
                tiled.error = PictureError(f"there is no memory for a result of {columns} x {rows} pixels")

    def _batch_size_for(self, shape: tuple[int, int]) -> int:
        if self._fixed_batch is not None:
            return self._fixed_batch
        if self._batch_size is not None:
            size = self._batch_size
        elif not self.network.device.is_gpu:
            return 1
        else:
            pixels = BUDGET["cuda"] if isinstance(self.contract.reach, int) else _GPU_BATCH_PIXELS
            size = max(1, pixels // (shape[0] * shape[1] * self.contract.scale**2))
        return min(size, self._batch_limits.get(shape, size))

    def _memory_mode(self, shape: tuple[int, int], parts: list[Part], done: int) -> AfterRun:
        """Return the handling of the working memory after a batch: it is kept while batches of the shape follow."""
        if done < len(parts):
            return "keep"
        if not isinstance(self.contract.reach, int):
            return "auto"
        large = len(parts) * shape[0] * shape[1] * self.contract.scale**2 >= _LARGE_RESULT
        return "return" if large else "keep"

    def _fail(self, part: Part, error: NetworkError) -> None:
        tiled, window = part
        height, width = window.shape
        tiled.out_of_memory = isinstance(error, OutOfMemoryError)
        advice = "; a 'resize' stage before it, or a smaller model, would do" if tiled.out_of_memory else ""
        tiled.error = PictureError(f"model '{self.contract.name}' failed at {width} x {height}: {error}{advice}")

    def _shrink_tiles(self, tiled: TiledPicture) -> bool:
        """Reduce the side of tiles after memory was short. Return False if this picture cannot have smaller tiles."""
        reach = self.contract.reach
        if not tiled.out_of_memory or not isinstance(reach, int) or self._fixed_size is not None:
            return False
        side = tiled.smaller_side(reach, self.contract.size_multiple)
        if side is None:
            return False
        if side < self._tile_side:
            self._tile_side = side
            _log.info("model '%s': tiles of %d pixels, for memory is short", self.contract.name, side)
        return True

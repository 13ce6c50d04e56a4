"""A network with its contract: pictures of any size in, pictures out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from henshin.errors import HenshinError, PictureError
from henshin.images.picture import picture_problem
from henshin.images.resizing import scaled_size_problem
from henshin.runtime.onnx_model import OnnxModel
from henshin.runtime.session import NetworkError, OnnxSession, OutOfMemoryError
from henshin.runtime.tiling import BUDGET, default_side, round_up, smallest_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from henshin.images.picture import Picture
    from henshin.models import Contract
    from henshin.runtime.session import AfterRun
    from henshin.runtime.tiled_picture import TiledPicture
    from henshin.runtime.tiling import Window

    Part = tuple[TiledPicture, Window]

_CUDA_BATCH_PIXELS = 16 * 256 * 256
"""Pixels of output in one batch on a GPU, when the user names no batch size. Of networks that can be tiled a batch may
have as many as a tile: ``tiles.BUDGET``."""

_LARGE_RESULT = 8 << 20
"""Pixels of output after which the working memory is given back: what follows is the writing of large files. To get it
anew takes 0.4 seconds for a gigabyte, a fortieth of the work on so many pixels."""

_log = logging.getLogger("henshin.runtime")


class Model(OnnxModel):
    """An exported network with its contract: what translates pictures, draws them from latents or encodes them.

    ``batch_size`` None means what suits the device: 1 on the CPU, where more only costs cache, and on a GPU as many
    as 16 pictures of 256 x 256 pixels would fill. A batch that does not fit into memory is halved. ``tile`` is the side
    of the squares above whose area a picture is cut up, None what suits the device; only networks of finite reach are.
    A sampler of two models has its ``mapping``, and is itself the synthesis.
    Errors: HenshinError when the contract names an input or output that the network does not have, or another layout,
    and when a mapping gives other styles than the synthesis takes.
    """

    def __init__(
        self,
        contract: Contract,
        network: OnnxSession,
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
        """Translate pictures (H, W, 3) uint8 of any sizes into (H * scale, W * scale, 3), in the order given.

        Equal shapes go together, across pictures and tiles, and nothing is padded but to the size multiple. A
        picture on which the network fails, or of which the result would be too large to be a picture, is a
        PictureError in its place; the others are done.
        Errors: HenshinError when this model does not take pictures, or gives another size than its contract says.
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
            works = self._run_all(todo)
            todo = []
            for work in works:
                if work.error is None:
                    results[work.index] = work.result(self.contract.scale)
                elif not work.no_memory_for_result and self._shrink_tiles(work):
                    todo.append((work.index, work.picture, work.minimum_side))
                elif work.can_retry_padded:
                    todo.append((work.index, work.picture, RETRY_SIDE))
                else:
                    results[work.index] = work.error
        return [result for result in results if result is not None]

    def sample(self, latents: npt.NDArray[np.float32], truncation: float = 1.0) -> list[Picture | PictureError]:
        """Draw a picture (H, W, 3) uint8 from each latent, in the order given: noise (N, D), or styles (N, L, D).

        A synthesis takes styles, a sampler noise, one with a mapping either. ``truncation`` below 1 brings pictures
        closer to the model's mean one: with a mapping the styles are brought closer to their mean, else the noise is
        multiplied. Given styles are not truncated.
        They go in batches of ``samples_at_once``, halved where memory is short. One on which the network fails is a
        PictureError in its place. Errors: HenshinError when this model draws nothing from such latents.
        """
        from henshin.runtime.latents import sample

        return sample(self, latents, truncation)

    def encode(self, pictures: Sequence[Picture]) -> list[npt.NDArray[np.float32] | PictureError]:
        """Guess from each picture (H, W, 3) uint8 the latent (L, D) from which a generator would draw it, in order.

        A picture of another size is resampled to the encoder's square first. They go in batches of
        ``samples_at_once``, halved where memory is short. One on which the network fails is a PictureError in its
        place. Errors: HenshinError when this model is no encoder, or gives other latents than its contract says.
        """
        from henshin.runtime.latents import encode

        return encode(self, pictures)

    def styles(self, noise: npt.NDArray[np.float32], truncation: float = 1.0) -> npt.NDArray[np.float32]:
        """Turn noise (N, D) into styles (N, L, D), by this mapping or that of this sampler; see ``sample``.

        Errors: HenshinError when there is no mapping, or for a truncation when it says no mean style; NetworkError.
        """
        from henshin.runtime.latents import styles

        return styles(self.mapping or self, noise, truncation)

    def describe(self) -> str:
        """Say in one line what runs this model and what becomes of large pictures: for the plan of a run."""
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
        """Say why the network shall not even see a picture, or None."""
        wrong = picture_problem(picture)
        if wrong is not None:
            return PictureError(f"model '{self.contract.name}' was given {wrong}")
        return scaled_size_problem(picture.shape[0], picture.shape[1], self.contract.scale)

    def _initial_tile_side(self, tile: int | None) -> int:
        reach, multiple = self.contract.reach, self.contract.size_multiple
        if not isinstance(reach, int):
            return 0
        side = tile or default_side(self.network.device.kind, self.contract.scale, reach)
        if self.contract.maximum_size is not None:
            side = min(side, self.contract.maximum_size)
        return round_up(max(side, smallest_side(reach, multiple)), multiple)

    def _run_all(self, todo: list[tuple[int, Picture, int]]) -> list[TiledPicture]:
        from henshin.runtime.tiled_picture import plan_tiles

        works = [
            plan_tiles(index, picture, self.contract, self._tile_side, self._fixed_size, least)
            for index, picture, least in todo
        ]
        groups: dict[tuple[int, int], list[Part]] = {}
        for work in works:
            for window in work.windows:
                groups.setdefault(window.shape, []).append((work, window))
        for shape, parts in groups.items():
            self._run_group(shape, parts)
        return works

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
        """Find out which of a failed batch fails alone."""
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
        cuts = [work.cut(window) for work, window in batch]
        pictures = np.stack(cuts + [cuts[-1]] * ((self._fixed_batch or 0) - len(cuts)))
        results = self.run(pictures)
        count, height, width = pictures.shape[:3]
        if results.shape != (count, height * scale, width * scale, 3) or results.dtype != np.uint8:
            raise HenshinError(
                f"model '{self.contract.name}' turned {pictures.shape} into {results.dtype} {results.shape}, "
                f"but its contract says scale {scale}"
            )
        for (work, window), result in zip(batch, results, strict=False):
            try:
                work.paste(window, result, scale)
            except MemoryError:
                rows, columns = (side * scale for side in work.network_size)
                work.no_memory_for_result = True
                work.error = PictureError(f"there is no memory for a result of {columns} x {rows} pixels")

    def _batch_size_for(self, shape: tuple[int, int]) -> int:
        if self._fixed_batch is not None:
            return self._fixed_batch
        if self._batch_size is not None:
            size = self._batch_size
        elif self.network.device.kind == "cpu":
            return 1
        else:
            pixels = BUDGET["cuda"] if isinstance(self.contract.reach, int) else _CUDA_BATCH_PIXELS
            size = max(1, pixels // (shape[0] * shape[1] * self.contract.scale**2))
        return min(size, self._batch_limits.get(shape, size))

    def _memory_mode(self, shape: tuple[int, int], parts: list[Part], done: int) -> AfterRun:
        """Say what becomes of the working memory after a batch: while others of the shape follow, it is kept."""
        if done < len(parts):
            return "keep"
        if not isinstance(self.contract.reach, int):
            return "auto"
        large = len(parts) * shape[0] * shape[1] * self.contract.scale**2 >= _LARGE_RESULT
        return "return" if large else "keep"

    def _fail(self, part: Part, error: NetworkError) -> None:
        work, window = part
        height, width = window.shape
        work.out_of_memory = isinstance(error, OutOfMemoryError)
        advice = "; a 'resize' stage before it, or a smaller model, would do" if work.out_of_memory else ""
        work.error = PictureError(f"model '{self.contract.name}' failed at {width} x {height}: {error}{advice}")

    def _shrink_tiles(self, work: TiledPicture) -> bool:
        """Make the tiles smaller after memory was short. False if this picture cannot be cut any smaller."""
        reach = self.contract.reach
        if not work.out_of_memory or not isinstance(reach, int) or self._fixed_size is not None:
            return False
        side = work.smaller_side(reach, self.contract.size_multiple)
        if side is None:
            return False
        if side < self._tile_side:
            self._tile_side = side
            _log.info("model '%s': tiles of %d pixels, for memory is short", self.contract.name, side)
        return True

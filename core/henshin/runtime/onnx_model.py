"""An exported network with its contract: its ports, its batch size, and the run of one raw batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError
from henshin.models.contract import layout_problem

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.images.picture import Picture
    from henshin.models import Contract
    from henshin.runtime.session import Port, Session

_FLOATS = {"tensor(float16)": "float16", "tensor(double)": "float64"}

_CPU_BATCH_PIXELS, _GPU_BATCH_PIXELS = 8 * 64 * 64, 16 * 256 * 256
"""Pixels of output in one batch, if the user sets no batch size. The many small layers of a sampler run faster in a
batch, also on a CPU: 8 pictures of 64 px a sixth to a third, and more only take more memory."""


class OnnxModel:
    """A network and its contract, run one raw batch at a time.

    ``mapping``, of a sampler of two models, is the network that turns noise into the latents of this one.
    Errors: HenshinError if the contract names an input or output that the network does not have, or a wrong layout.
    """

    def __init__(
        self, contract: Contract, network: Session, batch_size: int | None = None, mapping: OnnxModel | None = None
    ) -> None:
        self.contract = contract
        self.network = network
        self.mapping = mapping
        self._batch_size = batch_size
        self._input = _port(network, network.inputs, contract.input, "input")
        self._output = _port(network, network.outputs, contract.output, "output")
        problem = layout_problem(contract, self._input.type.removeprefix("tensor(").removesuffix(")"))
        if problem:
            raise HenshinError(f"{network.path}: {problem}")
        self._fixed_batch, self._fixed_size = _fixed_shape(self._input.shape, contract)

    @property
    def samples_at_once(self) -> int:
        """Number of latents in one batch of a sampler, or of pictures in one batch of an encoder.

        It is fixed by the network, set by the user, or suits the device.
        """
        fixed = self.network.inputs[0].shape[0]
        if isinstance(fixed, int):
            return fixed
        if self._batch_size is not None:
            return self._batch_size
        side = self.contract.preferred_size or 64
        return max(1, (_GPU_BATCH_PIXELS if self.network.device.is_gpu else _CPU_BATCH_PIXELS) // side**2)

    def run(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run one raw batch: pictures (N, H, W, 3) uint8 for a translator or encoder, else latents.

        Nothing is padded, tiled or split. Errors: NetworkError, OutOfMemoryError.
        """
        if self.contract.takes_pictures:
            array = preprocess(array, self.contract, self._input.type)
        result = self.network.run({self._input.name: array})[self._output.name]
        return postprocess(result, self.contract) if self.contract.gives_pictures else result


def preprocess(pictures: Picture, contract: Contract, port_type: str) -> npt.NDArray[Any]:
    """Turn a batch (N, H, W, 3) uint8 into the array that the network's layout takes."""
    import numpy as np

    if contract.layout == "nhwc_uint8":
        return np.ascontiguousarray(pictures)
    low, high = contract.value_range
    if contract.channel_order == "BGR":
        pictures = pictures[..., ::-1]
    values = pictures.transpose(0, 3, 1, 2).astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    return np.ascontiguousarray(values, dtype=_FLOATS.get(port_type, "float32"))


def postprocess(result: npt.NDArray[Any], contract: Contract) -> npt.NDArray[Any]:
    """Turn the output of a network of this layout into a batch (N, H, W, 3) uint8."""
    import numpy as np

    if contract.layout == "nhwc_uint8":
        return result
    low, high = contract.value_range
    values = (result.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    pictures = np.rint(np.clip(values, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures[..., ::-1] if contract.channel_order == "BGR" else pictures)


def _port(network: Session, ports: list[Port], name: str | None, what: str) -> Port:
    if name is None:
        return ports[0]
    for port in ports:
        if port.name == name:
            return port
    names = ", ".join(port.name for port in ports)
    raise HenshinError(f"{network.path}: its contract names {what} '{name}', but it has: {names}")


def _fixed_shape(shape: tuple[int | str | None, ...], contract: Contract) -> tuple[int | None, tuple[int, int] | None]:
    """Return the fixed batch size and the fixed (height, width) of a translator's input, each None if it may vary."""
    if contract.kind != "translator" or len(shape) != 4:
        return None, None
    height, width = shape[1:3] if contract.layout == "nhwc_uint8" else shape[2:4]
    batch = shape[0] if isinstance(shape[0], int) else None
    return batch, ((height, width) if isinstance(height, int) and isinstance(width, int) else None)

"""The opening of a network by the library that runs it on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from henshin.runtime.session import OnnxSession

if TYPE_CHECKING:
    from pathlib import Path

    from henshin.runtime.device import Device
    from henshin.runtime.session import Session


def open_session(
    path: Path | str, device: Device, *, gives_pictures: bool, threads: int = 0, at_once: int = 1
) -> Session:
    """Open an ONNX file on a device.

    ``gives_pictures``: the network gives pictures whose size follows from the shape of its input. Only such a network
    is computed at the device's precision, with buffers on a GPU that its runs share; any other, a detector for example,
    is computed in fp32 (``Device.exact``). On a CPU ``threads`` compute one run, 0 for as many as the library takes,
    and ``at_once`` threads call.
    Errors: MissingError if the file is absent, or it opened elsewhere than on the device; HenshinError if the file is
    no valid ONNX model.
    """
    if not gives_pictures:
        device = device.exact
    if device.kind == "openvino":
        from henshin.runtime.openvino_session import OpenVinoSession

        return OpenVinoSession(path, device, threads, at_once)
    if device.is_gpu and gives_pictures:
        from henshin.runtime.bound_session import BoundSession

        return BoundSession(path, device)
    return OnnxSession(path, device, threads)

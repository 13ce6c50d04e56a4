"""Networks made ready for a run: on its device, under its precision, compiled where it pays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import nn

from henshin.errors import HenshinError, MissingError
from henshin.text import flatten
from henshin.train.devices.fabric import precision_of


class PrecisionModule(_FabricModule):
    """A network under the precision of its run: not only when it is called, but in every method of its own.

    Fabric itself sends a method through the precision only where a strategy wraps the network; on one device
    `network.features(x)` would silently be computed in fp32.
    """

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if inspect.ismethod(found) and found.__self__ is self.module:
            return self._under_precision(name, found)
        return found

    def _under_precision(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        compiled: dict[str, Any] = self.__dict__.setdefault("_compiled_methods", {})
        if name in self._forward_methods and self.__dict__.get("_compiler"):
            if name not in compiled:
                compiled[name] = torch.compile(method, backend=self.__dict__["_compiler"])
            method = compiled[name]
        precision = self._strategy.precision

        def call(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = precision.convert_input((args, kwargs))
            with precision.forward_context():
                result = method(*args, **kwargs)
            return precision.convert_output(result)

        return call


def prepare(fabric: Fabric, network: nn.Module, compiler: str | None = None) -> nn.Module:
    """Put a network on the run's device and under its precision; `compiler` names a backend of torch.compile.

    It is compiled in place: its weights keep their names, so a checkpoint fits with and without. Tensor cores want
    channels last; on CPUs oneDNN has layouts of its own, and giving it channels last cost 7 to 25 % here.
    """
    if fabric.device.type == "cuda" and precision_of(fabric) == "bf16":
        network.to(memory_format=torch.channels_last)
    ready = fabric.setup_module(network)
    object.__setattr__(ready, "__class__", PrecisionModule)  # in the usual way the network would get that class too
    if compiler is not None:
        network.compile(backend=compiler)
        ready.__dict__["_compiler"] = compiler  # an attribute set in the usual way would land on the network
    return ready


def compiler_for(fabric: Fabric, asked: bool | None, backend: str = "inductor") -> str | None:
    """The backend of torch.compile if networks shall be compiled: by default on GPUs, where Triton is installed.

    Errors: MissingError when it was asked for and the compiler that it needs is not there.
    """
    if backend != "inductor":
        return backend if asked else None
    on_gpu = fabric.device.type == "cuda"
    lacking = _lacking(on_gpu) if asked or (asked is None and on_gpu) else ""
    if asked and lacking:
        raise MissingError(f"--compile: {lacking}")
    if asked is None and on_gpu and not lacking:
        # nobody asked for it: what cannot be compiled is computed as it is, with a warning of PyTorch's
        torch._dynamo.config.suppress_errors = True
        return backend
    return backend if asked else None


def _lacking(on_gpu: bool) -> str:
    if on_gpu:
        from torch.utils._triton import has_triton

        return (
            ""
            if has_triton()
            else "networks are compiled for GPUs by Triton, which is not installed (pip install triton)"
        )
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "networks are compiled for the CPU by a C++ compiler, and there is none (g++, clang++)"
    return ""


def explained(error: RuntimeError) -> Exception:
    """What a failure of a compiled network means for the user; any other error as it is."""
    text = flatten(error)
    if "does not currently support double backward" in text:
        return HenshinError("a loss of this run differentiates twice, which compiled networks cannot; use --no-compile")
    return error

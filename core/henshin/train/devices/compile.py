"""Preparation of networks for a run: device, precision, memory layout and torch.compile."""

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
    """A Fabric module whose other methods, not only `forward`, run under the precision of the run.

    Fabric applies the precision to other methods only where a strategy wraps the network; on one device
    `network.features(x)` would silently be computed in fp32.
    """

    def __getattr__(self, name: str) -> Any:
        attribute = super().__getattr__(name)
        if inspect.ismethod(attribute) and attribute.__self__ is self.module:
            return self._with_precision(name, attribute)
        return attribute

    def _with_precision(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
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
    """Put a network on the run's device and under its precision; `compiler` is a backend of torch.compile, or None.

    The network is compiled in place: its weights keep their names, so checkpoints of compiled and of plain runs are
    the same. Channels last is for tensor cores alone: on CPUs oneDNN has layouts of its own, and channels last made
    training 7 to 25 % slower.
    """
    if fabric.device.type == "cuda" and precision_of(fabric) == "bf16":
        network.to(memory_format=torch.channels_last)
    module = fabric.setup_module(network)
    object.__setattr__(module, "__class__", PrecisionModule)  # plain assignment would also change the network's class
    if compiler is not None:
        network.compile(backend=compiler)
        module.__dict__["_compiler"] = compiler  # plain assignment would set it on the network
    return module


def select_compiler(fabric: Fabric, requested: bool | None, backend: str = "inductor") -> str | None:
    """Return the backend of torch.compile for a run, or None where networks are not compiled.

    `requested` None is the default: compiled on GPUs where Triton is installed.
    Errors: MissingError when compilation is requested and the compiler that it needs is missing.
    """
    if backend != "inductor":
        return backend if requested else None
    on_gpu = fabric.device.type == "cuda"
    missing = _missing_compiler(on_gpu) if requested or (requested is None and on_gpu) else ""
    if requested and missing:
        raise MissingError(f"--compile: {missing}")
    if requested is None and on_gpu and not missing:
        # compiled by default, not by request: a graph that fails to compile runs uncompiled, with PyTorch's warning
        torch._dynamo.config.suppress_errors = True
        return backend
    return backend if requested else None


def _missing_compiler(on_gpu: bool) -> str:
    """Return which compiler is missing, as a message; "" if it is installed."""
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


def explain_compile_error(error: RuntimeError) -> Exception:
    """Return a HenshinError for a known limit of compiled networks; any other error unchanged."""
    text = flatten(error)
    if "does not currently support double backward" in text:
        return HenshinError("a loss of this run differentiates twice, which compiled networks cannot; use --no-compile")
    return error

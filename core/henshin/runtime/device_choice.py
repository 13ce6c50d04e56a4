"""The words for devices: a kind, and after colons a GPU's number, a precision and "graphs"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from henshin.errors import HenshinError

Precision = Literal["fp32", "bf16", "fp16"]
_Kind = Literal["auto", "cpu", "openvino", "cuda", "tensorrt"]

_PRECISIONS = {"openvino": ("fp32", "bf16"), "cuda": ("fp32", "fp16"), "tensorrt": ("fp32", "fp16")}
"""The precisions that may be named with each kind."""

_DEVICES = "it is auto, cpu, cuda or cuda:N, tensorrt or tensorrt:N, or openvino"


@dataclass(frozen=True, slots=True)
class Choice:
    """A device as it was asked for. ``precision`` None leaves it to the device."""

    kind: _Kind
    index: int = 0
    precision: Precision | None = None
    graphs: bool = False


def parse_choice(wanted: str) -> Choice:
    """Return the device that the words of ``--device`` name.

    They are "auto", "cpu", "openvino", "cuda" and "tensorrt"; after the last three a precision may follow
    ("openvino:fp32", "cuda:fp16"), after the last two also the number of the GPU and "graphs" ("cuda:1:fp16:graphs").
    Errors: HenshinError for anything else, with what would be right.
    """
    name, *words = wanted.split(":")
    if name not in get_args(_Kind):
        raise HenshinError(f"no device '{wanted}': {_DEVICES}")
    kind = cast(_Kind, name)
    if kind in ("auto", "cpu"):
        if words:
            raise HenshinError(f"no device '{wanted}': {_DEVICES}; nothing follows '{kind}'")
        return Choice(kind)
    on_gpu = kind != "openvino"
    numbers = [word for word in words if on_gpu and word.isascii() and word.isdecimal()]
    precisions = [word for word in words if word in _PRECISIONS[kind]]
    graphs = [word for word in words if on_gpu and word == "graphs"]
    if max(len(numbers), len(precisions), len(graphs)) > 1 or len(numbers + precisions + graphs) < len(words):
        what = "the number of a GPU, fp32 or fp16, and graphs" if on_gpu else "fp32 or bf16"
        raise HenshinError(f"no device '{wanted}': {_DEVICES}; after '{kind}:' come {what}, each once, with colons")
    precision = cast("Precision", precisions[0]) if precisions else None
    return Choice(kind, int(numbers[0]) if numbers else 0, precision, bool(graphs))

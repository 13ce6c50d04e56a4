"""A reader of the metadata and inputs of an ONNX file that does not load the network.

An ONNX file is one protobuf message (onnx.proto: ModelProto). A session would parse all of it, weights included, and
load ONNX Runtime. Here the message is read field by field, and everything but the metadata is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from henshin.errors import HenshinError

_GRAPH, _METADATA = 7, 14
"""Fields of ModelProto: the graph, and the (repeated) entries of the metadata."""
_INPUT, _INITIALIZER, _TENSOR_NAME, _TYPE, _ELEMENT = 11, 5, 8, 2, 1
"""GraphProto.input and .initializer, TensorProto.name, ValueInfoProto.type, TypeProto.Tensor.elem_type."""
_ELEMENTS = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_ENTRY = 16 << 20


class _BrokenError(Exception):
    """The bytes are not a protobuf message, or are truncated."""


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata entries of an ONNX file.

    Errors: HenshinError if it cannot be read, is no ONNX file, or is truncated.
    """
    try:
        with path.open("rb") as file:
            return _read_entries(file, path.stat().st_size)
    except OSError as error:
        raise HenshinError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (_BrokenError, UnicodeDecodeError) as error:
        raise HenshinError(f"{path}: no sound ONNX file (damaged, or cut short)") from error


def input_types(path: Path) -> dict[str, str]:
    """Return the inputs of a network with their types ("uint8", "float", ...), in the file's order.

    Errors: those of ``read_metadata``.
    """
    try:
        with path.open("rb") as file:
            return _inputs(file, path.stat().st_size)
    except OSError as error:
        raise HenshinError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (_BrokenError, UnicodeDecodeError) as error:
        raise HenshinError(f"{path}: no sound ONNX file (damaged, or cut short)") from error


def _inputs(file: IO[bytes], size: int) -> dict[str, str]:
    """Read ModelProto -> GraphProto -> ValueInfoProto. Old files list their weights as inputs; these are left out."""
    ports: dict[str, str] = {}
    weights: set[str] = set()
    for field, graph_end, _ in _fields(file, size):
        for part, end, _ in _fields(file, graph_end) if field == _GRAPH else ():
            if part == _INPUT:
                name, kind = _port(file, end)
                ports[name] = kind
            elif part == _INITIALIZER:
                weights.update(_text(file, stop) for number, stop, _ in _fields(file, end) if number == _TENSOR_NAME)
    return {name: kind for name, kind in ports.items() if name not in weights}


def _port(file: IO[bytes], end: int) -> tuple[str, str]:
    """Read a ValueInfoProto: its name and the type of its tensor's elements."""
    name, kind = "", ""
    for number, stop, _ in _fields(file, end):
        if number == _KEY:
            name = _text(file, stop)
        for _, tensor_end, _ in _fields(file, stop) if number == _TYPE else ():
            for part, _, value in _fields(file, tensor_end):
                if part == _ELEMENT:
                    kind = _ELEMENTS.get(value, f"elements of type {value}")
    return name, kind


def _fields(file: IO[bytes], end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, end, value of a varint, else 0) of each field up to ``end``; then move to its end."""
    while file.tell() < end:
        number, kind = _tag(file)
        value = _varint(file) if kind == _VARINT else 0
        stop = (0 if kind == _VARINT else _length(file, kind)) + file.tell()
        if stop > end:
            raise _BrokenError
        yield number, stop, value
        file.seek(stop)


def _text(file: IO[bytes], end: int) -> str:
    return file.read(end - file.tell()).decode("utf-8")


def _read_entries(file: IO[bytes], size: int) -> dict[str, str]:
    entries: dict[str, str] = {}
    has_graph = False
    while file.tell() < size:
        number, kind = _tag(file)
        length = _length(file, kind)
        if file.tell() + length > size:
            raise _BrokenError
        if number == _METADATA and kind == _BYTES and length <= _LONGEST_ENTRY:
            key, value = _entry(file, length)
            entries[key] = value
        else:
            has_graph = has_graph or (number == _GRAPH and kind == _BYTES)
            file.seek(length, 1)
    if not has_graph:
        raise _BrokenError
    return entries


def _entry(file: IO[bytes], length: int) -> tuple[str, str]:
    """Read a StringStringEntryProto: a key and a value."""
    end = file.tell() + length
    parts = {_KEY: "", _VALUE: ""}
    while file.tell() < end:
        number, kind = _tag(file)
        size = _length(file, kind)
        if file.tell() + size > end:
            raise _BrokenError
        data = file.read(size)
        if number in parts and kind == _BYTES:
            parts[number] = data.decode("utf-8")
    return parts[_KEY], parts[_VALUE]


def _tag(file: IO[bytes]) -> tuple[int, int]:
    value = _varint(file)
    if value >> 3 == 0:
        raise _BrokenError
    return value >> 3, value & 7


def _length(file: IO[bytes], kind: int) -> int:
    """Return the length in bytes of the value that follows; a varint is consumed."""
    if kind == _BYTES:
        return _varint(file)
    if kind == _VARINT:
        _varint(file)
        return 0
    if kind in (_FIXED64, _FIXED32):
        return 8 if kind == _FIXED64 else 4
    raise _BrokenError


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise _BrokenError
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise _BrokenError

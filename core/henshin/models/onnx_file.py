"""Reading the metadata of an ONNX file without loading its network.

An ONNX file is one protobuf message (onnx.proto: ModelProto). A session would parse all of it, weights included, and
load ONNX Runtime; here the message is walked field by field and everything but the metadata is stepped over.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from henshin.errors import HenshinError

_GRAPH, _METADATA = 7, 14
"""ModelProto's fields: the network itself, and the (repeated) entries of its metadata."""
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_ENTRY = 16 << 20


class _BrokenError(Exception):
    """The bytes are no protobuf message, or end too early."""


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata entries of an ONNX file.

    Errors: HenshinError when it cannot be read, is no ONNX file, or is cut short.
    """
    try:
        with path.open("rb") as file:
            return _walk(file, path.stat().st_size)
    except OSError as error:
        raise HenshinError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (_BrokenError, UnicodeDecodeError) as error:
        raise HenshinError(f"{path}: no sound ONNX file (damaged, or cut short)") from error


def _walk(file: IO[bytes], size: int) -> dict[str, str]:
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
    """Return how many bytes the value of a field takes from here on."""
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

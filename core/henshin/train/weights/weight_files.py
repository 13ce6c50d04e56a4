"""Files of published weights, read as groups of tensors by name, in fp32.

No code of such a file is run: pickles are opened for their tensors alone, and refused if they need more.
"""

from __future__ import annotations

import argparse
import hashlib
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from henshin.errors import HenshinError, MissingError
from henshin.models import METADATA_KEY, SIDECAR_SUFFIX, Contract
from henshin.text import flatten
from henshin.train.weights.state_dict import strip_prefixes

_PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".tar")

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class StateDictGroup:
    """Tensors of one network; `key` is the path of its dictionary in the file, "" for the whole file.

    `siblings` are the tensors of the dictionary around it: the mean style of StyleGAN2.
    """

    key: str
    tensors: Tensors
    siblings: Tensors = field(default_factory=dict)


def read_groups(path: Path) -> list[StateDictGroup]:
    """Return all networks of a file (.npz, .safetensors, .pth, .pt, .ckpt, ...) or of a folder of .npy files.

    Of nested dictionaries, each that holds tensors is a group of its own. Errors: MissingError when it is not there,
    HenshinError when it cannot be read, is of another format, or could run code.
    """
    if not path.exists():
        raise MissingError(f"{path}: no such file of weights")
    groups = list(_groups(_reader(path)(path)))
    if not groups:
        raise HenshinError(f"{path}: holds no tensors by name")
    return groups


def read_contract(path: Path) -> Contract | None:
    """Return the contract in a .safetensors file that henshin wrote (`--keep-weights`); None without one."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except (OSError, SafetensorError):
        return None  # reading its tensors reports the reason
    return None if text is None else Contract.from_json(text, str(path))


def hash_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over the names and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_hash(path: Path, contract: Contract | None, tensors: Mapping[str, Tensor]) -> None:
    """Check tensors against the hash in their file's own contract. Errors: HenshinError when they differ."""
    if contract is not None and contract.weights_sha256 and contract.weights_sha256 != hash_of_tensors(tensors):
        raise HenshinError(f"{path}: holds other weights than were written there: damaged, or changed; export it again")


def _reader(path: Path) -> Callable[[Path], Mapping[str, Any]]:
    suffix = path.suffix.lower()
    if path.is_dir():
        return _read_folder
    if suffix == ".onnx":
        raise HenshinError(
            f"{path}: is a network already, and needs no import: put a {path.name}{SIDECAR_SUFFIX} beside it that says "
            "what it takes (docs/plugins.md, A model from elsewhere)"
        )
    readers = {".npz": _read_npz, ".safetensors": read_safetensors}
    if suffix in (".h5", ".hdf5", ".pb", ".t7", ".msgpack", ".keras", ".tflite"):
        raise HenshinError(
            f"{path}: {suffix} files are not read; .npz, .safetensors, .pth and .pt are, and folders of .npy"
        )
    return readers.get(suffix, _read_pickle)


def _read_folder(path: Path) -> Mapping[str, Any]:
    files = sorted(path.glob("*.npy"))
    if not files:
        raise HenshinError(f"{path}: is a folder without .npy files")
    return {file.stem: _read_npy(file) for file in files}


def _read_npy(path: Path) -> Tensor | None:
    try:
        return _to_tensor(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise HenshinError(f"{path}: cannot be read as an array ({flatten(error)})") from error


def _read_npz(path: Path) -> Mapping[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: _to_tensor(file[name]) for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, TypeError) as error:
        raise HenshinError(f"{path}: cannot be read as .npz ({flatten(error)})") from error


def _to_tensor(array: np.ndarray) -> Tensor | None:
    return torch.from_numpy(np.ascontiguousarray(array)) if array.dtype.kind in "fiub" else None


def read_safetensors(path: Path) -> Tensors:
    """Return the tensors of a .safetensors file. Errors: HenshinError."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise HenshinError(f"{path}: cannot be read as safetensors ({flatten(error)})") from error


def _read_pickle(path: Path) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch, about the age of the file
            # many training scripts save their options, plain values without code, with their weights
            with torch.serialization.safe_globals([argparse.Namespace]):
                loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files fail in many ways inside PyTorch
        foreign = _foreign_class(str(error), path)
        if foreign is None and path.suffix.lower() not in _PICKLES and not _looks_like_pickle(path):
            raise HenshinError(
                f"{path}: not a file of weights; .npz, .safetensors, .pth, .pt or a folder of .npy"
            ) from error
        if foreign is None:
            raise HenshinError(f"{path}: cannot be read as weights of PyTorch ({_reason(error)})") from error
        raise HenshinError(
            f"{path}: wants {foreign} besides its tensors, and could run anything when it is opened; wanted: a "
            "state_dict alone, such as its authors get by torch.save(network.state_dict(), FILE)"
        ) from error
    if isinstance(loaded, Mapping):
        return loaded
    raise HenshinError(f"{path}: holds a {type(loaded).__name__}, not tensors by name")


def _foreign_class(message: str, path: Path) -> str | None:
    """Return the class that a pickle needs besides tensors, from PyTorch's message or the pickle itself; or None."""
    named = re.search(r"(?:Unsupported (?:global|class): \w+|unsupported GLOBAL) (\S+)", message)
    if named is not None or "Unsupported operand" not in message:
        return named[1] if named is not None else None
    texts: list[str] = []
    try:
        for code, value, _ in pickletools.genops(_pickle_bytes(path)):  # disassembles it without running it
            if code.name in ("GLOBAL", "STACK_GLOBAL"):
                full = str(value).replace(" ", ".") if code.name == "GLOBAL" else ".".join(texts[-2:])
                if not full.startswith(("torch.", "collections.")):
                    return full
            elif isinstance(value, str):
                texts.append(value)
    except (OSError, ValueError, zipfile.BadZipFile):
        pass
    return None


def _pickle_bytes(path: Path) -> bytes:
    """Return the pickle of a PyTorch file, which is a ZIP archive or the pickle itself."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as file:
        return b"".join(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))


def _looks_like_pickle(path: Path) -> bool:
    """Return whether a file begins as a ZIP archive, or as a pickle of protocol 2 or later."""
    try:
        with path.open("rb") as file:
            return file.read(4).startswith((b"PK\x03\x04", b"\x80"))
    except OSError:  # the error of reading it is already known
        return True


def _reason(error: BaseException) -> str:
    """Return the reason of an error, without PyTorch's advice for programmers before and after it."""
    message = flatten(error).rpartition("WeightsUnpickler error: ")[2]
    if isinstance(error, EOFError):
        return "it is empty, or cut off"
    if message.isdigit():  # a byte that is no opcode of pickle
        return "it is no pickle, or a damaged one"
    return re.split(r"\. | Check the documentation", message)[0][:200] or type(error).__name__


def _groups(value: Mapping[Any, Any], key: str = "", siblings: Tensors | None = None) -> Iterator[StateDictGroup]:
    """Yield every dictionary that holds tensors as a group, without the prefixes of training in their names."""
    tensors = {name: tensor for name, tensor in value.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    plain = to_fp32(strip_prefixes(tensors))
    if plain:
        yield StateDictGroup(key, plain, siblings or {})
    for name, inner in value.items():
        if isinstance(name, str) and isinstance(inner, Mapping):
            yield from _groups(inner, f"{key}.{name}" if key else name, plain)


def to_fp32(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors with all floats in fp32."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def split_by_prefix(group: StateDictGroup) -> list[StateDictGroup]:
    """Return one group for each first part of the names: `generator.`, `netG_A.`, ... of whole training states."""
    by_prefix: dict[str, Tensors] = {}
    for name, tensor in group.tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            by_prefix.setdefault(first, {})[rest] = tensor
    return [
        StateDictGroup(f"{group.key}.{first}" if group.key else first, strip_prefixes(tensors))
        for first, tensors in by_prefix.items()
    ]


def summarize_tensors(tensors: Mapping[str, Tensor], most: int = 3) -> str:
    """Return the first names and shapes, for an error: `94 tensors: conv01_1.bias (64), ...`."""
    texts = [f"{name} ({'x'.join(map(str, tensor.shape))})" for name, tensor in list(tensors.items())[:most]]
    return f"{len(tensors)} tensors: {', '.join(texts)}{', ...' if len(tensors) > most else ''}"

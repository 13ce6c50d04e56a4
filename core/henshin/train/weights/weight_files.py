"""Files of weights that others published: the networks in them, each as its tensors by name, in fp32.

Nothing in such a file is ever run: pickles are opened for their tensors alone, and refused if they want more.
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
    """The tensors of one network: `key` says where in the file they were found ("" for the whole of it).

    `beside` are those that lie in the same dictionary as the network: of StyleGAN2 the mean style.
    """

    key: str
    tensors: Tensors
    beside: Tensors = field(default_factory=dict)


def read_groups(path: Path) -> list[StateDictGroup]:
    """All networks of a file (.npz, .safetensors, .pth, .pt, .ckpt, ...) or of a folder of .npy files.

    Of nested dictionaries, each that holds tensors is a group of its own. Errors: MissingError when it is not there,
    HenshinError when it cannot be read, is of another kind, or would have to be trusted.
    """
    if not path.exists():
        raise MissingError(f"{path}: no such file of weights")
    groups = list(_groups(_reader(path)(path)))
    if not groups:
        raise HenshinError(f"{path}: holds no tensors by name")
    return groups


def contract_of(path: Path) -> Contract | None:
    """What a .safetensors file that henshin wrote (`--keep-weights`) says of itself."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except (OSError, SafetensorError):
        return None  # reading its tensors will say why
    return None if text is None else Contract.from_json(text, str(path))


def hash_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_whole(path: Path, contract: Contract | None, tensors: Mapping[str, Tensor]) -> None:
    """Errors: HenshinError when a file's own contract says that its tensors were others."""
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
        return _array(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise HenshinError(f"{path}: cannot be read as an array ({flatten(error)})") from error


def _read_npz(path: Path) -> Mapping[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: _array(file[name]) for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, TypeError) as error:
        raise HenshinError(f"{path}: cannot be read as .npz ({flatten(error)})") from error


def _array(array: np.ndarray) -> Tensor | None:
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
            # the options of many training scripts lie beside their weights: plain values, and no code
            with torch.serialization.safe_globals([argparse.Namespace]):
                loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files fail in many ways inside PyTorch
        foreign = _foreign(str(error), path)
        if foreign is None and path.suffix.lower() not in _PICKLES and not _begins_as_pickle(path):
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


def _foreign(said: str, path: Path) -> str | None:
    """What a pickle wants besides tensors: as PyTorch says it, or of a pickle too new for PyTorch by its own words."""
    named = re.search(r"(?:Unsupported (?:global|class): \w+|unsupported GLOBAL) (\S+)", said)
    if named is not None or "Unsupported operand" not in said:
        return named[1] if named is not None else None
    texts: list[str] = []
    try:
        for code, value, _ in pickletools.genops(_pickled(path)):  # takes it apart and runs nothing
            if code.name in ("GLOBAL", "STACK_GLOBAL"):
                full = str(value).replace(" ", ".") if code.name == "GLOBAL" else ".".join(texts[-2:])
                if not full.startswith(("torch.", "collections.")):
                    return full
            elif isinstance(value, str):
                texts.append(value)
    except (OSError, ValueError, zipfile.BadZipFile):
        pass
    return None


def _pickled(path: Path) -> bytes:
    """The pickle in a file of PyTorch, which is a ZIP archive or the pickle itself."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as file:
        return b"".join(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))


def _begins_as_pickle(path: Path) -> bool:
    """Does it begin as PyTorch's files do: as a ZIP archive, or as a pickle of protocol 2 or later?"""
    try:
        with path.open("rb") as file:
            return file.read(4).startswith((b"PK\x03\x04", b"\x80"))
    except OSError:  # reading it has said why
        return True


def _reason(error: BaseException) -> str:
    """What went wrong, without PyTorch's advice for programmers before and after it."""
    said = flatten(error).rpartition("WeightsUnpickler error: ")[2]
    if isinstance(error, EOFError):
        return "it is empty, or cut off"
    if said.isdigit():  # a byte that means nothing to a pickle
        return "it is no pickle, or a damaged one"
    return re.split(r"\. | Check the documentation", said)[0][:200] or type(error).__name__


def _groups(value: Mapping[Any, Any], key: str = "", beside: Tensors | None = None) -> Iterator[StateDictGroup]:
    """Every dictionary that holds tensors, with what training left in their names taken away."""
    tensors = {name: tensor for name, tensor in value.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    plain = to_fp32(strip_prefixes(tensors))
    if plain:
        yield StateDictGroup(key, plain, beside or {})
    for name, inner in value.items():
        if isinstance(name, str) and isinstance(inner, Mapping):
            yield from _groups(inner, f"{key}.{name}" if key else name, plain)


def to_fp32(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors with all floats in fp32."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def parts(group: StateDictGroup) -> list[StateDictGroup]:
    """What a group holds below each first part of its names: `generator.`, `netG_A.`, ... of whole training states."""
    below: dict[str, Tensors] = {}
    for name, tensor in group.tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            below.setdefault(first, {})[rest] = tensor
    found = []
    for first, tensors in below.items():
        found.append(StateDictGroup(f"{group.key}.{first}" if group.key else first, strip_prefixes(tensors)))
    return found


def told(tensors: Mapping[str, Tensor], most: int = 3) -> str:
    """The first names and shapes, for an error: `94 tensors: conv01_1.bias (64), ...`."""
    shown = [f"{name} ({'x'.join(map(str, tensor.shape))})" for name, tensor in list(tensors.items())[:most]]
    return f"{len(tensors)} tensors: {', '.join(shown)}{', ...' if len(tensors) > most else ''}"

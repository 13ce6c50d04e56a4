"""The contract of a model: the metadata with which an exported network runs without Python code of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from henshin.errors import HenshinError
from henshin.files import is_file
from henshin.models.onnx_metadata import input_types, read_metadata
from henshin.text import near_or_all, with_article

Kind = Literal["translator", "sampler", "mapping", "synthesis", "encoder"]
ChannelOrder = Literal["RGB", "BGR"]

CONTRACT_VERSION = 1

METADATA_KEY = "henshin"
"""Key of the ONNX metadata that holds the contract as JSON."""

SIDECAR_SUFFIX = ".henshin.json"

FLOATS = ("float", "float16", "double")
"""Types of values, in ONNX Runtime's words, that the layout "nchw_float" allows."""

WHOLE_LIMIT = 1536
"""Longest side of the pictures that a network of global reach is given, if its contract names no maximum. A ResNet
generator with 64 channels needs about 3 GB for 1536 x 1152 pixels; for a photo of 12 megapixels it would need seven
times as much, and the system would kill the run."""


class Contract(BaseModel):
    """All that is needed to run a model. Written by the exporter, or by hand in a ``FILE.onnx.henshin.json``.

    The default layout is henshin's own: input `pictures` uint8 (N, H, W, 3), output uint8 (N, H*scale, W*scale, 3),
    RGB, with the conversion to floats inside the graph. A foreign network of floats has `"layout": "nchw_float"`: then
    ``value_range`` and ``channel_order`` are applied before and after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    contract_version: int = Field(default=CONTRACT_VERSION, description="Version of these fields.")
    name: str = Field(default="", description="The model's name; empty means that of its file.")
    generator: str | None = Field(default=None, description="Name of the generator plugin that built it, if one did.")
    config: dict[str, Any] = Field(default_factory=dict, description="The options of that generator.")
    part: str = Field(default="", description="Which part of its generator this is: '', 'mapping' or 'synthesis'.")
    kind: Kind = Field(default="translator", description="What goes in and what comes out.")
    layout: Literal["nhwc_uint8", "nchw_float"] = Field(
        default="nhwc_uint8", description="How the network takes pictures."
    )
    input: str | None = Field(default=None, description="Name of the input; none means the first.")
    output: str | None = Field(default=None, description="Name of the output; none means the first.")
    value_range: tuple[float, float] = Field(
        default=(-1.0, 1.0), description="Range of the values of the float network."
    )
    channel_order: ChannelOrder = Field(default="RGB", description="Order of the channels of the float network.")
    size_multiple: int = Field(default=1, ge=1, description="Height and width must be multiples of this.")
    scale: int = Field(default=1, ge=1, description="Size of the output over that of the input.")
    reach: int | Literal["global"] = Field(
        default="global", description="How many pixels to each side an output pixel sees."
    )
    maximum_size: int | None = Field(
        default=None,
        ge=1,
        description="Longest side that the network should see at once; none means 1536 where the reach is global.",
    )
    preferred_size: int | None = Field(default=None, ge=1, description="Size of the pictures on which it was trained.")
    latent_shape: tuple[int, ...] | None = Field(
        default=None, description="Shape of one latent, without the batch: of what it takes, or an encoder gives."
    )
    description: str = Field(default="", description="What it draws.")
    origin: str = Field(default="", description="Where the weights come from: training run, paper or address.")
    data: str = Field(default="", description="On what data it was trained, and under which terms that is.")
    licence: str = Field(default="", description="Licence of the weights.")
    evaluation: str = Field(default="", description="Its figures on pictures that its training held out.")
    weights_sha256: str | None = Field(default=None, description="Hash of the weights, as the exporter computes it.")

    @field_validator("value_range")
    @classmethod
    def _check_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("the first number must be below the second")
        return value

    @field_validator("reach")
    @classmethod
    def _check_reach(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 0:
            raise ValueError("a reach in pixels is 0 or more")
        return value

    @property
    def whole_limit(self) -> int | None:
        """Longest side of a picture for this network, which takes it whole; None if it is tiled or is no translator."""
        if self.reach != "global" or self.kind != "translator":
            return None
        return self.maximum_size or WHOLE_LIMIT

    @property
    def large_picture_note(self) -> str:
        """Note on pictures above ``whole_limit``; empty without a limit."""
        if self.whole_limit is None:
            return ""
        return f"pictures above {self.whole_limit} pixels are reduced, translated and enlarged again"

    @property
    def takes_pictures(self) -> bool:
        """Whether the input is a picture."""
        return self.kind in ("translator", "encoder")

    @property
    def gives_pictures(self) -> bool:
        """Whether the output is a picture."""
        return self.kind in ("translator", "sampler", "synthesis")

    @property
    def not_translator_message(self) -> str:
        """Message for a model that is used as a translator but is none."""
        reason = "it makes latents of pictures, not pictures" if self.kind == "encoder" else "it takes no pictures"
        return f"model '{self.name}' is {with_article(self.kind)}: {reason}"

    def to_json(self) -> str:
        """Return the contract as JSON with sorted keys, for the metadata. Equal contracts give equal texts.

        Without figures it says nothing of them, so that versions of henshin that know none can read it.
        """
        values = self.model_dump(mode="json", exclude=None if self.evaluation else {"evaluation"})
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str = "contract") -> Contract:
        """Read a contract from JSON. Errors: HenshinError in one line that begins with ``where``."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise HenshinError(f"{where}: the contract is no JSON: {error}") from error
        if not isinstance(values, dict):
            raise HenshinError(f"{where}: the contract must be a JSON object, not {type(values).__name__}")
        return cls.from_values(values, where)

    @classmethod
    def from_values(cls, values: dict[str, Any], where: str) -> Contract:
        """Read a contract from a mapping. Errors: HenshinError in one line that begins with ``where``."""
        version = values.get("contract_version", CONTRACT_VERSION)
        if isinstance(version, int) and version > CONTRACT_VERSION:
            raise HenshinError(
                f"{where}: its contract is of version {version}, and this henshin understands {CONTRACT_VERSION}; "
                "a newer one does: pip install --upgrade henshin"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise HenshinError(f"{where}: {validation_message(error, list(cls.model_fields))}") from error


def validation_message(error: ValidationError, known: list[str]) -> str:
    """Return the errors of a mapping in one line: each field with its error. ``known`` are the valid fields."""
    messages = []
    for detail in error.errors(include_url=False):
        place = ".".join(str(step) for step in detail["loc"])
        if detail["type"] == "extra_forbidden":
            messages.append(f"no such field '{place}'{near_or_all(str(detail['loc'][-1]), known)}")
        else:
            messages.append(f"{place}: {detail['msg'].removeprefix('Value error, ')}, not {detail['input']!r}"[:160])
    return "; ".join(messages)


def read_contract(path: Path) -> Contract | None:
    """Return the contract of an .onnx file: its own metadata, else FILE.onnx.henshin.json or FILE.henshin.json.

    None if it has neither. Only a few hundred bytes of the file are read.
    Errors: HenshinError if the file is no ONNX file, or its contract is wrong or too new.
    """
    text = read_metadata(path).get(METADATA_KEY)
    if text is not None:
        return _with_name(Contract.from_json(text, str(path)), path)
    for sidecar in sidecars(path):
        if is_file(sidecar):
            contract = _with_name(Contract.from_json(sidecar.read_text(encoding="utf-8"), str(sidecar)), path)
            types = input_types(path)
            problem = layout_problem(contract, types.get(contract.input or next(iter(types), ""), "uint8"))
            if problem:
                raise HenshinError(f"{sidecar}: {problem}")
            return contract
    return None


def layout_problem(contract: Contract, input_type: str) -> str | None:
    """Return why a contract's layout does not fit a network with this type of input ("uint8", "float", ...), or None.

    Only translators and encoders take pictures, so only they are checked.
    """
    right = {"uint8": "nhwc_uint8", **dict.fromkeys(FLOATS, "nchw_float")}.get(input_type)
    if not contract.takes_pictures or contract.layout == right:
        return None
    wrong = f"the contract's field 'layout' is '{contract.layout}', but the network takes {input_type}"
    if right is None:
        return f"{wrong}, and pictures can be given as uint8 or float only"
    also = ' (with its "value_range", such as [-1, 1] or [0, 1])' if right == "nchw_float" else ""
    return f'{wrong}: say "layout": "{right}"{also}'


def sidecars(path: Path) -> tuple[Path, Path]:
    """Return the possible paths of the contract of a foreign file: next to it, with its suffix or without."""
    return path.with_name(path.name + SIDECAR_SUFFIX), path.with_suffix(SIDECAR_SUFFIX)


def _with_name(contract: Contract, path: Path) -> Contract:
    return contract if contract.name else contract.model_copy(update={"name": path.stem})

"""The fingerprint of a run: one hash of everything that its results depend on besides their inputs.

That is: the stages, their options, the models and files that these name, other dependencies that a stage declares
(``Stage.depends_on``), plugin versions, the options of the encoder, and the precision of the networks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin import __version__
from henshin.config.options import AmountOption, FileOption, ModelOption, find_options
from henshin.errors import HenshinError
from henshin.files import hash_file, is_file
from henshin.models.trained_weights import find_trained_weights, list_weight_files

if TYPE_CHECKING:
    from henshin.api.stage import Stage
    from henshin.images import WriteOptions
    from henshin.models import ModelStore, ResolvedModel
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry

VERSION = 2


def fingerprint(
    pipeline: Pipeline, write: WriteOptions, store: ModelStore, registry: Registry, precision: str = "fp32"
) -> str:
    """Return the fingerprint, a SHA-256 in hexadecimal: results with an equal one are up to date.

    ``precision`` is that of the device. Devices of one precision differ by a grey level at most, and so do not count.
    """
    content: dict[str, Any] = {
        "version": [VERSION, __version__],
        "stages": [_stage(stage, pipeline.base, store, registry) for stage in pipeline.stages],
        "write": write.model_dump(mode="json"),
    }
    if precision != "fp32":
        content["precision"] = precision
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _stage(stage: Stage[Any], base: Path, store: ModelStore, registry: Registry) -> dict[str, Any]:
    plugin = registry.owners.get(("stage", stage.name))
    branches = [[_stage(inner, base, store, registry) for inner in branch] for branch in stage.branches]
    models = [(found.name, hash_file(found.path), found.contract.to_json()) for found in models_of(stage, base, store)]
    return {
        "use": stage.name,
        "options": _options(stage),
        "plugin": [plugin.name, plugin.version] if plugin is not None else None,
        "models": sorted(models),
        "files": sorted((option, hash_file(path)) for option, path in _files(stage, base, store)),
        "depends_on": dict(stage.depends_on()),
        **({"branches": branches} if branches else {}),
    }


def _options(stage: Stage[Any]) -> dict[str, Any]:
    """Return a stage's options, without those that only set the number of results."""
    values: dict[str, Any] = stage.config.model_dump(mode="json")
    for name, field in type(stage.config).model_fields.items():
        if any(isinstance(mark, AmountOption) for mark in field.metadata):
            del values[name]
    return values


def models_of(stage: Stage[Any], base: Path, store: ModelStore) -> list[ResolvedModel]:
    """Return the models that a stage's options name, and of a multi-scale model those of all scales.

    A name that is not a model's (``lanczos``) gives none.
    """
    found: list[ResolvedModel] = []
    for _, name, mark in find_options(stage.config, ModelOption):
        if mark.contract:
            with suppress(HenshinError):
                found += store.family(name, base)
    return found


def all_models_of(stage: Stage[Any], base: Path, store: ModelStore) -> Iterator[ResolvedModel]:
    """Yield the models that the options of a stage name, and those of the stages in them."""
    yield from models_of(stage, base, store)
    for inner in (inner for branch in stage.branches for inner in branch):
        yield from all_models_of(inner, base, store)


def _files(stage: Stage[Any], base: Path, store: ModelStore) -> Iterator[tuple[str, Path]]:
    """Yield (option, file) for the files that a stage's options name, other than models with a contract."""
    for where, name, mark in find_options(stage.config, ModelOption):
        weights = find_trained_weights(name, base) if mark.trained else None
        if weights is not None:
            with suppress(HenshinError):
                yield from ((f"{where} {file.name}", file) for file in list_weight_files(weights))
        elif not mark.contract:
            with suppress(HenshinError):
                yield str(where), store.file(name, base)
    named = [(str(where), Path(name)) for where, name, _ in find_options(stage.config, FileOption)]
    paths = [(name, value) for name, value in stage.config if isinstance(value, Path)]
    for option, path in (*named, *paths):
        file = base / path.expanduser()
        if is_file(file):
            yield option, file

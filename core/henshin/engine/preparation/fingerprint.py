"""What a result depends on besides its input, in one hash.

Stages, options, the models and files that they name, what else they depend on, plugin versions, writer options.
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


def fingerprint(pipeline: Pipeline, write: WriteOptions, store: ModelStore, registry: Registry) -> str:
    """Return a SHA-256 in hexadecimal: work done under the same one need not be done again."""
    content = {
        "version": [VERSION, __version__],
        "stages": [_stage(stage, pipeline.base, store, registry) for stage in pipeline.stages],
        "write": write.model_dump(mode="json"),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _stage(stage: Stage[Any], base: Path, store: ModelStore, registry: Registry) -> dict[str, Any]:
    plugin = registry.owners.get(("stage", stage.name))
    models = [(found.name, hash_file(found.path), found.contract.to_json()) for found in models_of(stage, base, store)]
    return {
        "use": stage.name,
        "options": _options(stage),
        "plugin": [plugin.name, plugin.version] if plugin is not None else None,
        "models": sorted(models),
        "files": sorted((option, hash_file(path)) for option, path in _files(stage, base, store)),
        "depends_on": dict(stage.depends_on()),
    }


def _options(stage: Stage[Any]) -> dict[str, Any]:
    """Return a stage's options, without those that say only how many results there are."""
    values: dict[str, Any] = stage.config.model_dump(mode="json")
    for name, field in type(stage.config).model_fields.items():
        if any(isinstance(mark, AmountOption) for mark in field.metadata):
            del values[name]
    return values


def models_of(stage: Stage[Any], base: Path, store: ModelStore) -> list[ResolvedModel]:
    """Return the models that a stage's options name, of a multi-scale one all.

    A name that is none (``lanczos``) is only an option.
    """
    found: list[ResolvedModel] = []
    for _, name, mark in find_options(stage.config, ModelOption):
        if mark.contract:
            with suppress(HenshinError):
                found += store.family(name, base)
    return found


def _files(stage: Stage[Any], base: Path, store: ModelStore) -> Iterator[tuple[str, Path]]:
    """Yield the options that name other files, with these: what is in them counts too."""
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

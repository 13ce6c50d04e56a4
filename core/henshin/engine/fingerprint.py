"""What a result depends on besides its input, in one hash: stages, options, models, plugin versions, writer options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError
from henshin.manifest import hash_file
from henshin.pipeline_checks import named_models

if TYPE_CHECKING:
    from pydantic import BaseModel

    from henshin.images import WriteOptions
    from henshin.models import Found, ModelStore
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry
    from henshin.stage import Stage

VERSION = 1


def base_of(pipeline: Pipeline) -> Path:
    """Return the folder to which model paths in a pipeline are relative."""
    return Path(pipeline.path).parent


def fingerprint(pipeline: Pipeline, write: WriteOptions, store: ModelStore, registry: Registry) -> str:
    """Return a SHA-256 in hexadecimal: work done under the same one need not be done again."""
    base = base_of(pipeline)
    content = {
        "version": VERSION,
        "stages": [_stage(stage, base, store, registry) for stage in pipeline.stages],
        "write": write.model_dump(mode="json"),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _stage(stage: Stage[Any], base: Path, store: ModelStore, registry: Registry) -> dict[str, Any]:
    plugin = registry.owners.get(("stage", stage.name))
    return {
        "use": stage.name,
        "options": stage.config.model_dump(mode="json"),
        "plugin": [plugin.name, plugin.version] if plugin is not None else None,
        "models": {found.name: hash_file(found.path) for found in models_of(stage, base, store)},
        "files": {name: hash_file(path) for name, path in _files(stage.config)},
    }


def models_of(stage: Stage[Any], base: Path, store: ModelStore) -> list[Found]:
    """Return the models that a stage's options name. A name that is none (``lanczos``) is only an option."""
    found = []
    for _, name in named_models(stage.config):
        try:
            found.append(store.find(name, base))
        except HenshinError:
            continue
    return found


def _files(config: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield options that are paths of files: what is in them counts too."""
    for option in type(config).model_fields:
        value = getattr(config, option)
        if isinstance(value, Path) and value.is_file():
            yield option, value

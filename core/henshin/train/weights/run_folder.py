"""Folder of a run: run.json, which describes the run for its export and for a resume, and published weights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from henshin.errors import HenshinError
from henshin.files import sweep, write_atomic
from henshin.models.trained_weights import RUN_FILE, last_checkpoint
from henshin.text import one_line
from henshin.train.weights import checkpoint
from henshin.train.weights.evaluations import best_checkpoint


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """Tensors of a checkpoint that become a model, and the generator that builds the network again.

    `state` is the name that the network is tracked under; the names of its tensors begin with `prefix`.
    """

    generator: str
    config: dict[str, Any]
    state: str = ""
    prefix: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PublishedTensors:
    """Tensors of a network that a run published, by the network's own names, from the run's last checkpoint.

    `run` is the content of run.json, `states` that of the checkpoint.
    """

    network: PublishedNetwork
    tensors: dict[str, Tensor]
    run: dict[str, Any]
    states: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunSession:
    """One start of a run: its first step, `--set` values, precision, devices and changes of options since before."""

    step: int
    set: tuple[str, ...]
    precision: str
    devices: int
    changed: Mapping[str, Any]


def earlier_description(folder: Path) -> dict[str, Any]:
    """Return the content of run.json; {} where there is none that can be read."""
    try:
        description = json.loads((folder / RUN_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return description if isinstance(description, dict) else {}


def check_recipe(folder: Path, recipe: str) -> None:
    """Check that the run in a folder is of this recipe. Errors: HenshinError."""
    before = earlier_description(folder).get("recipe", recipe)
    if before != recipe:
        raise HenshinError(f"{folder}: is a run of recipe '{before}', not '{recipe}'; choose another -o")


def changes(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (option, value before, value now) for each difference of two configurations; None for a missing option.

    An option that only the present one has is new in henshin and is left out, as it has its default. Options of a
    network are not left out: of them run.json has only those of the YAML.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        new = [key for key in now if key not in before] if "use" in before else []
        for key in [*before, *new]:
            yield from changes(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield path, before, now


def format_changes(changed: Mapping[str, Any]) -> str:
    """Return changes as a text: `steps 6 -> 20, batch 2 -> 4`."""
    return ", ".join(f"{name} {_shorten(before)} -> {_shorten(now)}" for name, (before, now) in changed.items())


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def begin(folder: Path, description: Mapping[str, Any], base: Path) -> None:
    """Make the folder of a run, with a first run.json. Errors: HenshinError when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            sweep(place)
        if not (folder / RUN_FILE).is_file():
            _write_run_file(folder, {**description, "base": str(base.resolve()), "publish": {}})
    except OSError as error:
        raise HenshinError(f"{folder}: cannot be written ({error.strerror or error}); choose another -o") from error


def write(
    folder: Path,
    description: Mapping[str, Any],
    base: Path,
    publish: Mapping[str, PublishedNetwork],
    session: RunSession,
) -> None:
    """Write run.json; the entries of earlier sessions are kept."""
    sessions = [*earlier_description(folder).get("sittings", ()), {**asdict(session), "time": round(time.time(), 1)}]
    content = {
        **description,
        "base": str(base.resolve()),
        "precision": session.precision,
        "publish": {part: asdict(what) for part, what in publish.items()},
        "sittings": sessions,
    }
    _write_run_file(folder, content)


def _write_run_file(folder: Path, content: Mapping[str, Any]) -> None:
    with write_atomic(folder / RUN_FILE) as part:
        part.write_text(json.dumps(content, indent=2) + "\n")


def check_run(folder: Path) -> None:
    """Check that a folder is that of a training run. Errors: HenshinError."""
    if not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: is no folder of a training run (it has no {RUN_FILE})")


def load_description(folder: Path) -> dict[str, Any]:
    """Return the content of run.json. Errors: HenshinError when there is none, or it is damaged."""
    check_run(folder)
    file = folder / RUN_FILE
    try:
        run = json.loads(file.read_text())
        required = {name: run[name] for name in ("recipe", "config", "publish", "base")}
        return {**required, "precision": run.get("precision", "auto")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HenshinError(f"{file}: is damaged ({one_line(error)})") from error


def published_tensors(folder: Path, part: str = "", best: bool = False) -> PublishedTensors:
    """Return the network that a run published, or one of its parts, with the weights of its last checkpoint.

    With ``best`` they are those of the state that measured best.

    Errors: HenshinError when there is no such run, checkpoint or network.
    """
    run = load_description(folder)
    chosen = best_checkpoint(folder) if best else last_checkpoint(folder)
    if part not in run["publish"]:
        raise HenshinError(f"{folder}: this run says of no network that it is the one to export (run.publish)")
    network = PublishedNetwork(**run["publish"][part])
    states = checkpoint.load(chosen)
    tensors = {
        name.removeprefix(network.prefix): tensor
        for name, tensor in states.get(network.state, {}).items()
        if name.startswith(network.prefix)
    }
    return PublishedTensors(network, tensors, run, states)

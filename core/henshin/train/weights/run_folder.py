"""run.json: what a run says of itself, for those who export it, and for itself when it goes on."""

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


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """Which tensors of a checkpoint become a model, and how its network is built again."""

    generator: str
    config: dict[str, Any]
    state: str = ""
    prefix: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PublishedTensors:
    """A network that a run published: how it is built, its tensors under its own names, and where they come from.

    `run` is what run.json says, `states` all that the run's last checkpoint holds.
    """

    network: PublishedNetwork
    tensors: dict[str, Tensor]
    run: dict[str, Any]
    states: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunSession:
    """One start of a run: at which step, with which `--set`, where, and what its YAML said otherwise than before."""

    step: int
    set: tuple[str, ...]
    precision: str
    devices: int
    changed: Mapping[str, Any]


def earlier(folder: Path) -> dict[str, Any]:
    """What a run's folder says so far; {} where there is nothing that can be read."""
    try:
        found = json.loads((folder / RUN_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_recipe(folder: Path, recipe: str) -> None:
    """Check that the run in a folder is of this recipe. Errors: HenshinError."""
    before = earlier(folder).get("recipe", recipe)
    if before != recipe:
        raise HenshinError(f"{folder}: is a run of recipe '{before}', not '{recipe}'; choose another -o")


def changes(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(option, value before, value now) wherever two configurations differ; None where one lacks an option.

    An option that the earlier one lacks is new in henshin and has its default, unless it belongs to a network: of
    those only what the YAML says is written down.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        new = [key for key in now if key not in before] if "use" in before else []
        for key in [*before, *new]:
            yield from changes(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield path, before, now


def told(changed: Mapping[str, Any]) -> str:
    """`steps 6 -> 20, batch 2 -> 4`."""
    return ", ".join(f"{name} {_short(before)} -> {_short(now)}" for name, (before, now) in changed.items())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def begin(folder: Path, description: Mapping[str, Any], base: Path) -> None:
    """Mark a folder as that of a run, before anything else is written into it. Errors: HenshinError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            sweep(place)
        if not (folder / RUN_FILE).is_file():
            _put(folder, {**description, "base": str(base.resolve()), "publish": {}})
    except OSError as error:
        raise HenshinError(f"{folder}: cannot be written ({error.strerror or error}); choose another -o") from error


def write(
    folder: Path,
    description: Mapping[str, Any],
    base: Path,
    publish: Mapping[str, PublishedNetwork],
    sitting: RunSession,
) -> None:
    """Write run.json; what earlier sittings noted stays."""
    sittings = [*earlier(folder).get("sittings", ()), {**asdict(sitting), "time": round(time.time(), 1)}]
    whole = {
        **description,
        "base": str(base.resolve()),
        "precision": sitting.precision,
        "publish": {part: asdict(what) for part, what in publish.items()},
        "sittings": sittings,
    }
    _put(folder, whole)


def _put(folder: Path, whole: Mapping[str, Any]) -> None:
    with write_atomic(folder / RUN_FILE) as part:
        part.write_text(json.dumps(whole, indent=2) + "\n")


def check_run(folder: Path) -> None:
    """Check that a folder is that of a training run. Errors: HenshinError."""
    if not (folder / RUN_FILE).is_file():
        raise HenshinError(f"{folder}: is no folder of a training run (it has no {RUN_FILE})")


def described_run(folder: Path) -> dict[str, Any]:
    """Return what a run's run.json says. Errors: HenshinError when there is none, or it is damaged."""
    check_run(folder)
    file = folder / RUN_FILE
    try:
        run = json.loads(file.read_text())
        whole = {name: run[name] for name in ("recipe", "config", "publish", "base")}
        return {**whole, "precision": run.get("precision", "auto")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HenshinError(f"{file}: is damaged ({one_line(error)})") from error


def published_tensors(folder: Path, part: str = "") -> PublishedTensors:
    """Return the network that a run published, or one of its parts, with the weights of its last checkpoint.

    Errors: HenshinError when there is no such run, checkpoint or network.
    """
    run = described_run(folder)
    last = last_checkpoint(folder)
    if part not in run["publish"]:
        raise HenshinError(f"{folder}: this run says of no network that it is the one to export (run.publish)")
    network = PublishedNetwork(**run["publish"][part])
    states = checkpoint.load(last)
    tensors = {
        name.removeprefix(network.prefix): tensor
        for name, tensor in states.get(network.state, {}).items()
        if name.startswith(network.prefix)
    }
    return PublishedTensors(network, tensors, run, states)

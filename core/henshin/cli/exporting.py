"""What `henshin export` does: where the network comes from, where the model goes, and on what it is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError
from henshin.words import listed, name_problem

if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.export import Source
    from henshin.train.parity import Parity


def export_model(
    run_folder: Path | None,
    registry: Registry,
    *,
    name: str | None,
    output: Path | None,
    force: bool,
    generator: str | None,
    weights: Path | None,
    overrides: tuple[str, ...],
    size: int | None,
    pictures: Path | None,
    fp16: bool,
    keep_weights: bool,
    description: str,
    data: str,
    licence: str,
) -> tuple[Path, Parity]:
    """Write a model; return its path and how far it is from PyTorch.

    Errors: HenshinError for wrong use, a taken name, or a failed parity check.
    """
    from henshin.train.publish import from_run, from_weights, held_pictures

    _check_words(run_folder is not None, generator, weights, overrides)
    shown = pictures_below(pictures) if pictures else []
    if run_folder is not None:
        source: Source = from_run(run_folder, registry, data, licence, size)
        origin = run_folder.resolve().name
        shown = shown or held_pictures(run_folder, registry)
    else:
        assert generator is not None
        assert weights is not None
        source = from_weights(generator, options_of(overrides), weights, registry, size, data, licence)
        origin = weights.stem
    path = free_path(name or origin, output or default_folder(), force)
    return path, write_model(replace(source, description=description), path, shown, fp16, keep_weights)


def _check_words(run: bool, generator: str | None, weights: Path | None, overrides: tuple[str, ...]) -> None:
    """Say which words of the command line do not go together. Errors: HenshinError."""
    of_weights = {"--generator": generator, "--weights": weights, "--set": overrides}
    given = [word for word, value in of_weights.items() if value]
    if run and given:
        raise HenshinError(
            f"{listed(given)}: only for weights from elsewhere; a run's folder says itself what its network is. Give "
            "either the folder, or --generator with --weights"
        )
    if not run and not (generator and weights):
        lacking = [word for word in ("--generator", "--weights") if not of_weights[word]]
        had = f"{listed(given)} {'want' if len(given) > 1 else 'wants'} {listed(lacking)}" if given else ""
        raise HenshinError(had or "nothing to export: give a run's folder, or --generator with --weights")


def free_path(name: str, folder: Path, force: bool) -> Path:
    """Where a model of this name goes. Errors: HenshinError for a name that is none, or taken without ``force``."""
    problem = name_problem(name)
    if problem:
        raise HenshinError(f"'{name}' {problem}")
    path = folder / f"{name}.onnx"
    if path.exists() and not force:
        raise HenshinError(f"{path}: a model of this name is there already; give another --name, or --force")
    return path


def write_model(source: Source, path: Path, shown: list[Any], fp16: bool, keep_weights: bool) -> Parity:
    """Export to ``path``, enter the model into the list of its folder where there is one; say how good it is."""
    from henshin.models.index import INDEX_NAME
    from henshin.train.export import export
    from henshin.train.publish import listed as enter

    told: list[Parity] = []
    contract = export(source, path, shown, fp16=fp16, weights=keep_weights, tell=told.append)
    if (path.parent / INDEX_NAME).is_file():
        enter(path, contract, contract.description)
    return told[0]


def default_folder() -> Path:
    """`./exported` inside a checkout of the project, else the user's folder of models."""
    from henshin.models.store import user_folder
    from henshin.packaged import is_checkout

    return Path("exported") if is_checkout(Path()) else user_folder()


def options_of(overrides: tuple[str, ...]) -> dict[str, Any]:
    """What `--set` says of a generator: {option: value}. Errors: HenshinError for what is not of that form."""
    from henshin.overrides import parse_override
    from henshin.yaml_nodes import to_python

    options: dict[str, Any] = {}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) != 1:
            raise HenshinError(f"'{text}' is not of the form option=value")
        options[path[0]] = to_python(value)
    return options


def pictures_below(folder: Path) -> list[Any]:
    """Some pictures of a folder, for the parity check. Errors: HenshinError when there are none."""
    from henshin.engine.inputs import list_inputs
    from henshin.train.publish import pictures_of

    found = pictures_of([source.path for source in list_inputs([folder], None).sources[:3]])
    if not found:
        raise HenshinError(f"--pictures {folder}: no pictures there")
    return found

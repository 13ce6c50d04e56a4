"""What `henshin export` does: where the network comes from, where the model goes, and on what it is checked."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError
from henshin.text import listed, name_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.models import Weights
    from henshin.registry import Registry
    from henshin.train.export import Written
    from henshin.train.export.exporter import Source


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
) -> list[Written]:
    """Write a model, or the several of a network of several scales or parts; return each with its path and parity.

    Errors: HenshinError for wrong use, a taken name, or a failed parity check.
    """
    from henshin.train.weights.from_run import from_run, from_weights, held_pictures

    _check_words(run_folder is not None, generator, weights, overrides)
    check_name(name)
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
    source = replace(source, description=description)
    folder = output or default_folder()
    return write_models(source, name or origin, folder, shown, force=force, fp16=fp16, keep_weights=keep_weights)


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


def check_name(name: str | None) -> None:
    """Say what is wrong with a name that is given, before any work. Errors: HenshinError."""
    problem = None if name is None else name_problem(name)
    if problem:
        raise HenshinError(f"'{name}' {problem}")


def write_models(
    source: Source, name: str, folder: Path, shown: list[Any], *, force: bool, fp16: bool, keep_weights: bool
) -> list[Written]:
    """Export what a network gives, NAME or NAME-x2, NAME-mapping, ..., all or none, enter it into the folder's list.

    Errors: HenshinError for a name that is none, or taken without ``force``; those of ``family.write_all``.
    """
    from henshin.train.export import members, write_all

    check_name(name)
    sources = members(source)
    paths = free_paths(name, list(sources), folder, force)
    chosen = dict(zip(paths, sources.values(), strict=True))
    return write_all(chosen, shown, fp16=fp16, weights=keep_weights)


def free_paths(name: str, suffixes: Sequence[str], folder: Path, force: bool) -> list[Path]:
    """Where the models of this name go. Errors: HenshinError when one is there already, without ``force``.

    Of a network of one scale the name may say so itself: both NAME and NAME-x2 give NAME-x2.
    """
    if len(suffixes) == 1:
        name = name.removesuffix(suffixes[0])
    paths = [folder / f"{name}{suffix}.onnx" for suffix in suffixes]
    plain = folder / f"{name}.onnx"
    taken = [path for path in paths if path.exists()]
    if taken and (not force or any(path.is_dir() for path in taken)):
        also = f"; so are {listed(path.name for path in taken[1:])}" if taken[1:] else ""
        raise HenshinError(f"{taken[0]}: a model of this name is there already{also}; give another --name, or --force")
    if plain not in paths and plain.exists():
        raise HenshinError(
            f"{plain}: is there, and '{name}' would go on to mean it and not {paths[0].name}; give another --name"
        )
    return paths


def tell_of(written: Sequence[Written], done: str) -> None:
    """Print a line for each model, and of several what their common name is good for."""
    from henshin.cli.base import say

    for one in written:
        say(f"{one.path}: {done}, and draws as PyTorch does: {one.parity}", err=False)
    if len(written) < 2:
        return
    plain, _, _ = written[0].path.stem.rpartition("-")
    if written[0].contract.part:
        whole = written[0].path.with_name(f"{plain}.safetensors")
        say(f"model: {plain} is both, a sampler; {whole} holds their weights for what rebuilds them", err=False)
    else:
        say(f"model: {plain} takes of these {len(written)} the smallest scale that suffices", err=False)


def default_folder() -> Path:
    """`./exported` inside a checkout of the project, else the user's folder of models."""
    from henshin.files import is_checkout
    from henshin.models.store import user_folder

    return Path("exported") if is_checkout(Path()) else user_folder()


def options_of(overrides: tuple[str, ...]) -> dict[str, Any]:
    """What `--set` says of a generator: {option: value}. Errors: HenshinError for what is not of that form."""
    from henshin.config.overrides import parse_override
    from henshin.config.yaml_reader import to_python

    options: dict[str, Any] = {}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) != 1:
            raise HenshinError(f"'{text}' is not of the form option=value")
        options[path[0]] = to_python(value)
    return options


def pictures_below(folder: Path) -> list[Any]:
    """Some pictures of a folder, for the parity check. Errors: HenshinError when there are none."""
    from henshin.engine.preparation.input_files import list_inputs
    from henshin.train.weights.from_run import pictures_of

    found = pictures_of([source.path for source in list_inputs([folder], None).sources[:3]])
    if not found:
        raise HenshinError(f"--pictures {folder}: no pictures there")
    return found


def pull_weights(weights: Weights, folder: Path, force: bool) -> None:
    """Make the models of listed weights in ``folder``, and say so; those that are there from the same file stay.

    Errors: MissingError without torch, without the network or its address; HenshinError when another model has one of
    the names and ``force`` is not set, or what came is not what is listed. Nothing is written then.
    """
    from henshin.cli.base import registry_with, say
    from henshin.cli.commands.train import need_training

    paths = [folder / f"{name}.onnx" for name in weights.models]
    own = [path for path in paths if _is_from(path, weights)]
    if len(own) == len(paths) and not force:
        for path in paths:
            say(f"{path.stem}: {path}", err=False)
        return
    taken = [str(path) for path in paths if path.exists() and path not in own]
    if taken and not force:
        raise HenshinError(f"{', '.join(taken)}: another file has this name; --force replaces it")
    need_training(what=f"'{weights.name}' is made from weights for PyTorch by henshin import, which needs")
    registry = registry_with(())
    from henshin.cli.commands.import_weights import network_of
    from henshin.models.download import fetch
    from henshin.train.export import members
    from henshin.train.weights.from_published import Wanted, from_published

    with tempfile.TemporaryDirectory() as side:
        file = Path(side) / weights.file
        fetch(weights, file, instead=f"with a copy that you have: henshin import {weights.file} --name {weights.name}")
        origin = f"{weights.run} " if weights.run else ""
        wanted = Wanted(
            description=weights.description,
            origin=f"{origin}{_mark(weights)}",
            data=weights.data,
            licence=weights.licence,
        )
        source = from_published(file, registry, wanted)
        gives = [weights.name + suffix for suffix in members(source)]
        if sorted(gives) != sorted(weights.models):
            raise HenshinError(f"{weights.name}: {weights.url} gives {', '.join(gives)}, not what its list says")
        written = write_models(source, weights.name, folder, [], force=True, fp16=False, keep_weights=False)
    tell_of(written, f"imported ({network_of(source)})")


def _mark(weights: Weights) -> str:
    return f"{weights.url}, sha256 {weights.sha256}"


def _is_from(path: Path, weights: Weights) -> bool:
    """Whether a file is a model that was made from these weights: it says so itself."""
    from henshin.models import read_contract

    try:
        contract = read_contract(path) if path.is_file() else None
    except HenshinError:
        return False
    return contract is not None and weights.sha256 in contract.origin

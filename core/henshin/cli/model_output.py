"""The writing of models by `henshin export`, `import`, `blend` and `models pull`, and the lines they print."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.models import Weights
    from henshin.train.export import WrittenModel
    from henshin.train.export.storage import Storage
    from henshin.train.weights.trained_network import TrainedNetwork


@dataclass(frozen=True, kw_only=True)
class NewModelOptions:
    """The options of every command that writes a model: its name and place, its form, and the texts of its contract."""

    name: str | None
    output: Path | None
    force: bool
    storage: Storage
    keep_weights: bool
    description: str
    data: str
    licence: str
    plugin_files: tuple[Path, ...]


def write_model(
    source: TrainedNetwork, options: NewModelOptions, name: str, folder: Path, pictures: Sequence[Any] = ()
) -> list[WrittenModel]:
    """Write a network as a model, or as one for each of its scales or parts; ``pictures`` are for the parity check.

    The options' output folder goes before ``folder``. Errors: HenshinError for a taken name or a failed parity check.
    """
    from henshin.train.export.models import write_models

    return write_models(
        source,
        name,
        options.output or folder,
        list(pictures),
        force=options.force,
        storage=options.storage,
        keep_weights=options.keep_weights,
    )


def print_models(written: Sequence[WrittenModel], done: str) -> None:
    """Print a line for each model, and the meaning of the common name of several."""
    from henshin.cli.base import print_line

    for one in written:
        print_line(f"{one.path}: {done}, and draws as PyTorch does: {one.parity}", err=False)
        for pattern in one.patterns:
            print_line(
                f"warning: what {one.path.stem} draws has {pattern}: a checkerboard, as transposed convolutions leave "
                "it; up-sampling by resizing (`upsample: resize`) has none"
            )
    if len(written) < 2:
        return
    plain, _, _ = written[0].path.stem.rpartition("-")
    if written[0].contract.part:
        whole = written[0].path.with_name(f"{plain}.safetensors")
        print_line(f"model: {plain} is both, a sampler; {whole} holds their weights for what rebuilds them", err=False)
    else:
        print_line(f"model: {plain} takes of these {len(written)} the smallest scale that suffices", err=False)


def parse_generator_options(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of `--set OPTION=VALUE` by option. Errors: HenshinError for another form."""
    from henshin.config.overrides import parse_override
    from henshin.config.yaml_reader import to_python

    options: dict[str, Any] = {}
    for text in overrides:
        path, value = parse_override(text)
        if len(path) != 1:
            raise HenshinError(f"'{text}' is not of the form option=value")
        options[path[0]] = to_python(value)
    return options


def read_parity_pictures(folder: Path) -> list[Any]:
    """Return up to three pictures of a folder, for the parity check. Errors: HenshinError when there are none."""
    from henshin.engine.preparation.input_files import list_inputs
    from henshin.train.export.parity_pictures import read_pictures

    found = read_pictures([source.path for source in list_inputs([folder], None).sources[:3]])
    if not found:
        raise HenshinError(f"--pictures {folder}: no pictures there")
    return found


def pull_weights(weights: Weights, folder: Path, force: bool) -> None:
    """Download listed weights and write their models to ``folder``; models that were made from the same file stay.

    Errors: MissingError without torch, without the network or its address; HenshinError when another model has one of
    the names and ``force`` is not set, or the download differs from its list. Nothing is written then.
    """
    from henshin.cli.base import load_registry, print_line
    from henshin.cli.training_packages import require_training_packages

    paths = [folder / f"{name}.onnx" for name in weights.models]
    own = [path for path in paths if _is_made_from(path, weights)]
    if len(own) == len(paths) and not force:
        for path in paths:
            print_line(f"{path.stem}: {path}", err=False)
        return
    taken = [str(path) for path in paths if path.exists() and path not in own]
    if taken and not force:
        raise HenshinError(f"{', '.join(taken)}: another file has this name; --force replaces it")
    require_training_packages(what=f"'{weights.name}' is made from weights for PyTorch by henshin import, which needs")
    registry = load_registry(())
    from henshin.models.download import fetch
    from henshin.train.export import export_targets
    from henshin.train.export.models import write_models
    from henshin.train.weights.from_published import ImportOptions, from_published

    with tempfile.TemporaryDirectory() as side:
        file = Path(side) / weights.file
        fetch(weights, file, instead=f"with a copy that you have: henshin import {weights.file} --name {weights.name}")
        origin = f"{weights.run} " if weights.run else ""
        wanted = ImportOptions(
            description=weights.description,
            origin=f"{origin}{_origin_of(weights)}",
            data=weights.data,
            licence=weights.licence,
        )
        source = from_published(file, registry, wanted)
        gives = [weights.name + suffix for suffix in export_targets(source)]
        if sorted(gives) != sorted(weights.models):
            raise HenshinError(f"{weights.name}: {weights.url} gives {', '.join(gives)}, not what its list says")
        written = write_models(source, weights.name, folder, [], force=True, storage="fp32", keep_weights=False)
    print_models(written, f"imported ({describe_network(source)})")


def _origin_of(weights: Weights) -> str:
    return f"{weights.url}, sha256 {weights.sha256}"


def _is_made_from(path: Path, weights: Weights) -> bool:
    """Return whether a file is a model that was made from these weights, by its contract."""
    from henshin.models import read_contract

    try:
        contract = read_contract(path) if path.is_file() else None
    except HenshinError:
        return False
    return contract is not None and weights.sha256 in contract.origin


def describe_network(source: TrainedNetwork) -> str:
    """Return the name of a network's generator, with the options that are not the default ones."""
    changed = source.generator.config.model_dump(exclude_defaults=True)
    return "".join([source.generator.name, *(f", {key}: {value}" for key, value in changed.items())])

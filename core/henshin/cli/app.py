"""The command `henshin`: the list of its commands and the modules that hold them."""

from __future__ import annotations

import click

from henshin import __version__
from henshin.cli.base import LazyCommand, LazyGroup

_RUN, _LOOK, _TRAIN = "Run", "Look", "Train"

COMMANDS = {
    "run": LazyCommand(
        "henshin.cli.commands.run:run", "Run a pipeline over pictures (the same as `run-pipeline`).", _RUN
    ),
    "check": LazyCommand(
        "henshin.cli.commands.check:check", "Say everything that is wrong with a pipeline, and run nothing.", _RUN
    ),
    "gallery": LazyCommand(
        "henshin.cli.commands.gallery:gallery",
        "Make a page of a run's results: before and after.",
        _LOOK,
    ),
    "ui": LazyCommand(
        "henshin.cli.commands.ui:ui", "Show a page on which photos are dropped and a pipeline is run.", _RUN
    ),
    "evaluate": LazyCommand(
        "henshin.cli.commands.evaluate:evaluate",
        "Measure models, pipelines, and sets of pictures.",
        _LOOK,
    ),
    "sheet": LazyCommand(
        "henshin.cli.commands.sheet:sheet", "Draw results of several models or pipelines side by side.", _LOOK
    ),
    "spectrum": LazyCommand(
        "henshin.cli.commands.spectrum:spectrum", "Measure the Fourier spectra of folders of pictures.", _LOOK
    ),
    "pipelines": LazyCommand(
        "henshin.cli.commands.check:pipelines", "List the ready pipelines, or print the file of one.", _LOOK
    ),
    "plugins": LazyCommand(
        "henshin.cli.commands.plugins:plugins", "List stages, generators and recipes, or explain one.", _LOOK
    ),
    "models": LazyCommand("henshin.cli.commands.models:models", "List, show, verify and fetch models.", _LOOK),
    "schema": LazyCommand(
        "henshin.cli.commands.check:schema", "Print the JSON schema of a pipeline, for editors.", _LOOK
    ),
    "train": LazyCommand("henshin.cli.commands.train:train", "Train a network as a run's YAML says.", _TRAIN),
    "export": LazyCommand(
        "henshin.cli.commands.export:export",
        "Turn a trained network into a model that passes its parity check.",
        _TRAIN,
    ),
    "import": LazyCommand(
        "henshin.cli.commands.import_weights:import_weights", "Turn published weights into a model.", _TRAIN
    ),
    "blend": LazyCommand(
        "henshin.cli.commands.blend:blend", "Make a model of one network with blocks of another.", _TRAIN
    ),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 all done, 1 some pictures failed, 2 wrong pipeline or use, 3 something is missing (a model, "
    "a GPU, a package, space on the disk), 70 unexpected error, 74 stdout cannot be written, 130 interrupted, "
    "143 ended by SIGTERM.",
)
@click.version_option(__version__, prog_name="henshin")
def henshin() -> None:
    """Image-to-image translation: pipelines in YAML, networks as plugins, ONNX Runtime at run time."""

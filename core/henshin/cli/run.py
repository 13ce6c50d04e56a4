"""`run-pipeline` (= `henshin run`): what may be asked for. What happens then is in `session`."""

from __future__ import annotations

from typing import Any

import click

from henshin import __version__
from henshin.cli.base import GroupedCommand, Voice, option, plugin_option, voiced

_WHERE, _HOW, _AGAIN, _SAID = "Where networks run", "How results are written", "What is there already", "What is said"


class RunCommand(GroupedCommand):
    """Takes several paths after one `-i`, as a shell leaves them where it expands `-i photos/*.jpg`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the `-i` before each of its paths, then parse as usual."""
        return super().parse_args(ctx, spread_inputs(args))


def spread_inputs(words: list[str]) -> list[str]:
    """Turn `-i a b -o c` into `-i a -i b -o c`: every word up to the next option belongs to the `-i`."""
    spread: list[str] = []
    taking = False
    for position, word in enumerate(words):
        if word == "--":
            return spread + words[position:]
        if word in ("-i", "--input"):
            taking = True
            spread.append("-i")
        elif word.startswith("-") and word != "-":
            taking = word.startswith("--input=")
            spread.append(word)
        else:
            if taking and spread[-1] != "-i":
                spread.append("-i")
            spread.append(word)
    return spread


def batch_size(ctx: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """Read `auto` (None) or a number of at least 1."""
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither 'auto' nor a number >= 1", ctx, parameter)
    return int(value)


def device(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Read `auto`, `cpu`, `cuda` or `cuda:N`."""
    from henshin.errors import HenshinError
    from henshin.runtime import parse_device

    try:
        parse_device(value)
    except HenshinError as error:
        raise click.BadParameter(str(error), ctx, parameter) from error
    return value


@click.command(cls=RunCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("pipeline", required=False)
@option(
    "-i", "--input", "inputs", multiple=True, metavar="PATH...", help="Files, folders (with all below them), globs."
)
@option("-o", "--output", type=click.Path(), help="Folder, or for one picture a file; ./henshin-out/NAME.")
@option("--set", "overrides", multiple=True, metavar="STAGE.OPTION=VALUE", help="Change an option of a stage.")
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after the first N pictures.")
@option("--dry-run", is_flag=True, help="Print the plan (stages, models, providers, number of files) and stop.")
@option("--device", default="auto", show_default=True, callback=device, heading=_WHERE, help="auto, cpu, cuda, cuda:N.")
@option("--require-gpu", is_flag=True, heading=_WHERE, help="Fail if no GPU can be used, also without any network.")
@option(
    "--batch-size", default="auto", show_default=True, callback=batch_size, heading=_WHERE, help="auto or a number."
)
@option("--format", "fmt", metavar="FORMAT", heading=_HOW, help="png, jpeg, webp, ...; else the input's own, else PNG.")
@option("--quality", type=click.IntRange(1, 100), heading=_HOW, metavar="1-100", help="Of lossy formats; else 95.")
@option(
    "--metadata", type=click.Choice(["keep", "strip"]), default="keep", show_default=True, heading=_HOW, help="EXIF."
)
@option(
    "--colour",
    "--color",
    type=click.Choice(["srgb", "keep"]),
    default="srgb",
    show_default=True,
    heading=_HOW,
    help="Write sRGB, or convert back to the input's own profile.",
)
@option(
    "--on-existing",
    type=click.Choice(["skip", "overwrite", "error"]),
    default="error",
    show_default=True,
    heading=_AGAIN,
    help="For files in the output folder that no earlier run wrote.",
)
@option("--retry-failed", is_flag=True, heading=_AGAIN, help="Try again what failed in an earlier run.")
@option("--json", "as_json", is_flag=True, heading=_SAID, help="Print a summary for machines on stdout, and only that.")
@voiced
@click.version_option(__version__, prog_name="henshin")
@click.pass_context
def run(ctx: click.Context, /, **asked: Any) -> int:
    """Run PIPELINE (a YAML file, or the name of a ready pipeline) over pictures.

    Several paths may follow one -i. Results mirror the tree of the inputs. A second run does only what is new or
    changed.

    Example: run-pipeline selfie2anime.yaml -i photos/ -o out/
    """
    from henshin.cli.session import session

    return session(_with_pipeline(ctx, asked), ctx.ensure_object(Voice).level)


def _with_pipeline(ctx: click.Context, asked: dict[str, Any]) -> dict[str, Any]:
    """Find the pipeline also where it follows the paths: `run-pipeline -i photos/ selfie2anime.yaml`."""
    if asked["pipeline"] is None:
        named = [word for word in asked["inputs"] if word.lower().endswith((".yaml", ".yml"))]
        if len(named) != 1:
            raise click.UsageError("no pipeline given: its file or name comes first", ctx)
        asked = {**asked, "pipeline": named[0], "inputs": tuple(word for word in asked["inputs"] if word != named[0])}
    return asked

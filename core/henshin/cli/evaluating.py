"""`henshin evaluate` and `henshin sheet`: what may be asked for. What happens then is in `figures` and `sheets`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from henshin.cli.base import F, GroupedCommand, Voice, option, plugin_option, voiced
from henshin.cli.run import RunCommand, batch_size, device

_NOISE = "Samplers"
_HOW, _SHEET, _WHERE, _SAID = "How it is measured", "A sheet to look at", "Where networks run", "What is said"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_CELL = click.IntRange(32, 1024)
_ROWS = click.IntRange(1, 200)
_SCALE = click.IntRange(1, 16)


def where_networks_run(command: F) -> F:
    """Add `--device`, `--require-gpu` and `--batch-size`."""
    chosen = option("--device", default="auto", show_default=True, callback=device, heading=_WHERE, help="As in run.")
    required = option("--require-gpu", is_flag=True, heading=_WHERE, help="Fail if no GPU can be used.")
    batch = option(
        "--batch-size", default="auto", show_default=True, callback=batch_size, heading=_WHERE, help="auto or a number."
    )
    return chosen(required(batch(command)))


def overrides_option(command: F) -> F:
    """Add `--set`, for pipelines."""
    return option(
        "--set",
        "overrides",
        multiple=True,
        metavar="STAGE.OPTION=VALUE",
        help="Change an option of the pipelines; {scale} in the value stands for the scale.",
    )(command)


@click.command(cls=GroupedCommand, context_settings=_SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@option("--on", "sets", multiple=True, required=True, metavar="FOLDER", help="A test set. May be given several times.")
@option(
    "--truth",
    "truths",
    multiple=True,
    metavar="FOLDER",
    help="For pairs: the true pictures, by the names of those --on FOLDER; one for each --on.",
)
@option("--scale", "scales", multiple=True, type=_SCALE, metavar="N", help="How many times larger; else all there are.")
@overrides_option
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pictures of each set.")
@option(
    "--channels",
    type=click.Choice(["y", "rgb"]),
    default="y",
    show_default=True,
    heading=_HOW,
    help="Luma, or colours.",
)
@option(
    "--border",
    type=click.IntRange(0, 1024),
    metavar="PIXELS",
    heading=_HOW,
    help="Left out at each side; else as many as the scale, of pairs of one size none.",
)
@option("--sheet", type=click.Path(path_type=Path), metavar="FILE", heading=_SHEET, help="Draw one, with the truth.")
@option("--rows", type=_ROWS, default=5, show_default=True, heading=_SHEET, help="Pictures of each set and scale.")
@option("--cell", type=_CELL, default=256, show_default=True, heading=_SHEET, help="Longest side of what is shown.")
@option("--force", is_flag=True, heading=_SHEET, help="Replace a file of that name.")
@where_networks_run
@option("--each", is_flag=True, heading=_SAID, help="Also the figures of every picture.")
@option(
    "--json", "as_json", is_flag=True, heading=_SAID, help="Print everything for machines on stdout, and only that."
)
@voiced
@click.pass_context
def evaluate(ctx: click.Context, /, **asked: Any) -> int:
    """Measure how near models and pipelines come to true pictures: PSNR and SSIM, beside Lanczos and bicubic.

    Each picture of a set is cut to a multiple of the scale and reduced by Pillow's bicubic filter; a MODEL (its name,
    or an .onnx file) or a whole PIPELINE (a .yaml file, or the name of a ready one) enlarges it again, in 8 bits, and
    the luma is compared without a border of as many pixels as the scale. With --truth nothing is reduced: the pictures
    are held against those of the same names; without a model, as they are.

    \b
    Examples: henshin evaluate carn-m --on Set5/ --on Set14/ --scale 2
              henshin evaluate enlarge.yaml --on Set5/ --scale 3 --set super_resolution.scale={scale}
              henshin evaluate facades --on photos/ --truth drawings/ --channels rgb
    """
    from henshin.cli.figures import measured

    return measured(asked, ctx.ensure_object(Voice).level)


@click.command(cls=RunCommand, context_settings=_SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@option(
    "-i", "--input", "inputs", multiple=True, metavar="PATH...", help="Files, folders (with all below them), globs."
)
@option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("sheet.png"), show_default=True, help="A picture."
)
@option(
    "--scale", type=_SCALE, metavar="N", help="How many times larger; else as far as all go, 1 if nothing enlarges."
)
@option("--rows", type=_ROWS, help="How many pictures: the first ones.  [default: 16; samplers: 8]")
@option(
    "--cell", type=_CELL, help="Longest side of what is shown of each.  [default: 256; samplers: their own, 128 to 256]"
)
@option(
    "--label",
    "labels",
    multiple=True,
    metavar="TEXT",
    help="What stands above a column; one for each, or one more, for the input.",
)
@option("--captions/--no-captions", default=True, help="Say the name and size of each picture.  [default: yes]")
@option("--seed", type=click.IntRange(0, 2**63 - 1), heading=_NOISE, help="Another one, other pictures.  [default: 0]")
@option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    heading=_NOISE,
    help="Below 1 nearer to the mean picture.  [default: 1]",
)
@overrides_option
@plugin_option
@option("--force", is_flag=True, help="Replace a file of that name.")
@where_networks_run
@voiced
@click.pass_context
def sheet(ctx: click.Context, /, **asked: Any) -> int:
    """Draw side by side what models and pipelines make of the same pictures, or of the same noise.

    A row for each picture: as it is, then by each MODEL or PIPELINE, whole and at one size. Where they enlarge: by
    whole pixels, Lanczos, bicubic, and each of them, and of a picture that is larger than its cell the part with the
    most detail is shown. Where all are samplers there is no -i: a row for each noise, as `sample` numbers them, a
    column for each model.

    \b
    Examples: henshin sheet selfie2anime cartoons.yaml -i faces/ -o faces.png
              henshin sheet carn-m -i faces/ --scale 4 -o enlarged.png
              henshin sheet faces faces-fin1 faces-fin2 --truncation 0.7 --label g --label "k = 1" --label "k = 2"
    """
    from henshin.cli.sheets import drawn

    return drawn(asked, ctx.ensure_object(Voice).level)

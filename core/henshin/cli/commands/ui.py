"""`henshin ui`: a page on this machine on which photos are dropped, and a pipeline is run over them."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from henshin.cli.base import GroupedCommand, Verbosity, load_registry, print_line
from henshin.cli.options import SETTINGS, check_device, option, parse_memory, plugin_option, verbosity_options
from henshin.errors import MissingError

_ALL_ADDRESSES = ("0.0.0.0", "::")
_BOUNDS, _SERVER = "What it takes", "Where it listens"


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """The options of `henshin ui`."""

    pipeline: str | None
    plugin_files: tuple[Path, ...]
    device: str
    host: str
    port: int
    photo_size: int
    photos: int
    keep: int
    browser: bool


def serve(options: PageOptions, level: int) -> int:
    """Serve the page until Ctrl-C. Returns the exit code. Errors: HenshinError."""
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingError(f"the page needs {package}: pip install 'henshin[ui]'")
    import uvicorn

    from henshin.ui.app import Settings, create_app, offered
    from henshin.ui.guard import LOOPBACK, Guard, hosts_of
    from henshin.ui.jobs import Limits
    from henshin.ui.socket import bound_socket

    registry = load_registry(options.plugin_files)
    pipelines = offered(options.pipeline)
    listener = bound_socket(options.host, options.port)
    port = listener.getsockname()[1]
    token = None if options.host in LOOPBACK else secrets.token_urlsafe(24)
    hosts = None if options.host in _ALL_ADDRESSES else hosts_of(options.host, port)
    limits = Limits(photo_bytes=options.photo_size, photos=options.photos, seconds=60.0 * options.keep)
    app = create_app(Settings(pipelines, registry, options.device, limits, Guard(hosts, token)))
    shown = "127.0.0.1" if options.host in _ALL_ADDRESSES else options.host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/" + (f"?token={token}" if token else "")
    settings = uvicorn.Config(app, log_level="info" if level > 0 else "warning", timeout_graceful_shutdown=3)
    try:
        if level >= 0:
            print_line(f"{address}  (Ctrl-C ends it)", err=False)
            sys.stdout.flush()
        if options.browser:
            import webbrowser

            webbrowser.open(address)
        uvicorn.Server(settings).run([listener])
    except KeyboardInterrupt:
        pass  # the usual end
    finally:
        app.state.page.jobs.close()
    return 0


@click.command(cls=GroupedCommand, context_settings=SETTINGS)
@click.argument("pipeline", required=False, metavar="[PIPELINE]")
@plugin_option
@option("--device", default="auto", callback=check_device, show_default=True, help="Where networks run.")
@option("--host", default="127.0.0.1", show_default=True, heading=_SERVER, help="Address to listen at.")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    heading=_SERVER,
    help="Port to listen at; 0: any free one.",
)
@option("--browser/--no-browser", default=True, heading=_SERVER, help="Open the page in a browser.  [default: yes]")
@option(
    "--photo-size",
    default="64M",
    callback=parse_memory,
    show_default=True,
    heading=_BOUNDS,
    help="Largest photo.",
)
@option(
    "--photos", type=click.IntRange(1, 9999), default=200, show_default=True, heading=_BOUNDS, help="Photos of a run."
)
@option(
    "--keep",
    type=click.IntRange(1, 1440),
    default=60,
    show_default=True,
    metavar="MINUTES",
    heading=_BOUNDS,
    help="How long photos and results are kept after they were last asked for.",
)
@verbosity_options
@click.pass_context
def ui(ctx: click.Context, /, **given: Any) -> int:
    """Show a page on which photos are dropped and PIPELINE, or any ready one, is run over them.

    It listens on this machine alone; at another --host whoever opens it needs the token in the printed address, and
    connections are not encrypted. Photos and results lie in a folder that is removed at the end. Every other program
    can use the same HTTP API: docs/page.md.

    \b
    Examples: henshin ui
              henshin ui mine.yaml --port 8000 --no-browser
    """
    return serve(PageOptions(**given), ctx.ensure_object(Verbosity).level)

"""Where the files that travel with henshin lie: ready pipelines and exported models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]

Kind = Literal["pipelines", "exported"]


def is_checkout(folder: Path) -> bool:
    """Whether a folder is the top of a checkout of the project."""
    return (folder / "pyproject.toml").is_file() and (folder / "core" / "henshin" / "__init__.py").is_file()


def data_folder(kind: Kind) -> Path:
    """Return the folder of packaged ``kind``: the package's own ``data/KIND``, else the checkout's top-level KIND.

    A wheel carries the first. An editable install has none, for a copy made at installation would go stale. Where
    neither is at hand the first is returned all the same: it lists as empty.
    """
    own = PACKAGE / "data" / kind
    if not own.is_dir() and is_checkout(CHECKOUT) and PACKAGE == CHECKOUT / "core" / "henshin":
        return CHECKOUT / kind
    return own

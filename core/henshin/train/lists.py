"""Lists of files in a run's folder: what was skipped, what is there twice. One file, a part for each set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

NAMED = 10
"""So many files are named on the screen; more stand in a file of the run's folder."""


def note(file: Path, part: str, lines: Sequence[str]) -> None:
    """Put `lines` under the headline `# part` of a text file, in place of what stood there; no lines take it out."""
    parts = _parts(file)
    parts.pop(part, None)
    if lines:
        parts[part] = "\n".join(lines).rstrip("\n").split("\n")
    if not parts:
        file.unlink(missing_ok=True)
        return
    text = "\n".join("\n".join([f"# {name}", *parts[name], ""]) for name in sorted(parts))
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8", errors="surrogateescape")
    beside.replace(file)


def tell(say: Callable[[str], None], file: Path, part: str, what: str, lines: Sequence[str]) -> None:
    """Name each line when they are few; else count them, name the first, and write them all to `file`."""
    many = len(lines) > NAMED
    note(file, part, lines if many else [])
    if many:
        say(f"{part}: {len(lines)} {what}, the first {lines[0]}; all in {file}")
    else:
        for line in lines:
            say(f"{part}: {what}: {line}")


def _parts(file: Path) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    if not file.is_file():
        return parts
    current: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line.startswith("# "):
            current = parts.setdefault(line[2:], [])
        else:
            current.append(line)
    return {name: "\n".join(lines).rstrip("\n").split("\n") for name, lines in parts.items()}

"""Small helpers for what is printed: amounts, tables, safe lines."""

from __future__ import annotations

from collections.abc import Sequence


def plain(text: str) -> str:
    """Keep a line one line: what cannot be printed (in a file's name, say) becomes a replacement character."""
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    )


def amount(number: int, one: str, many: str | None = None) -> str:
    """Say `1 picture`, `2 pictures`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def passed_over(number: int) -> str:
    """Say `1 file that is no picture passed over`."""
    return f"{amount(number, 'file that is no picture', 'files that are no pictures')} passed over"


def duration(seconds: float) -> str:
    """Say `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(number: float) -> str:
    """Say `11.3 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def table(rows: Sequence[Sequence[str]], indent: str = "  ", width: int = 0) -> list[str]:
    """Set rows of words in columns; the last column is cut to fit ``width`` (0: as wide as it is)."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[column]) for column, cell in enumerate(row)]
        line = indent + "  ".join(cells).rstrip()
        lines.append(line if not width or len(line) <= width else line[: width - 1] + "…")
    return lines

"""Text for messages: names, lists, counts, durations and exceptions in one line."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_REASON = 300


def name_problem(name: str) -> str | None:
    """Return why a name cannot name a file or folder on every system, or None if it can."""
    if name and not name.startswith(".") and not any(sign in '/\\:*?"<>|' or sign < " " for sign in name):
        return None
    return 'cannot name a file or folder; leave out / \\ : * ? " < > | and a dot in front'


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return "; did you mean 'size'?" for the nearest of ``choices``, or "" when none is near."""
    from difflib import get_close_matches

    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article: "a sampler", "an encoder"."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def join_names(names: Iterable[str], most: int = 12) -> str:
    """Return the sorted names joined by commas: the first ``most``, then "and N more"."""
    ordered = sorted(names)
    text = ", ".join(ordered[:most])
    return f"{text} and {len(ordered) - most} more" if len(ordered) > most else text


def near_or_all(name: str, choices: Iterable[str]) -> str:
    """Return a hint for an unknown ``name``: the nearest choice, else all choices."""
    choices = list(choices)
    return did_you_mean(name, choices) or (f"; there are: {join_names(choices)}" if choices else "; there are none")


def join_counts(kinds: dict[str, int]) -> str:
    """Return the count of each kind, the largest first: "30 blurred, 2 empty".

    A kind that is a noun is given in the plural ("near-duplicates") and becomes singular for a count of 1.
    """
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {_singular(kind) if number == 1 else kind}" for kind, number in ordered)


def _singular(kind: str) -> str:
    return kind.removesuffix("s") if not kind.endswith(("ss", "us", "is")) else kind


def format_count(number: int, one: str, many: str | None = None) -> str:
    """Return `1 picture`, `2 pictures`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def format_duration(seconds: float) -> str:
    """Return `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def quote(text: str, most: int = 60) -> str:
    """Return a text in quotes as Python writes it, shortened to ``most`` characters with "..."."""
    whole = repr(text)
    if len(whole) <= most:
        return whole
    cut = repr(text[: most - 5])
    return f"{cut[: most - 4]}...{cut[-1]}"


def flatten(text: object) -> str:
    """Return a text, or the message of an exception, as one line with single spaces."""
    return " ".join(str(text).split())


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its type and its message.

    A SyntaxError gives its file and line; an exception without a message gives its type alone.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {error.msg}"
    text = flatten(error)
    if len(text) > LONGEST_REASON:
        text = text[: LONGEST_REASON - 3] + "..."
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind

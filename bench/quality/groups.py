"""Groups of photos: what is seen in them, by the stems of their files (groups.yaml)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from henshin import HenshinError

FILE = Path(__file__).with_name("groups.yaml")

Groups = dict[str, frozenset[str]]
"""Stems, or their MD5, by the name of the group."""

DIGITS = 12
"""Hexadecimal digits of an MD5 that stand for a stem."""

_FORM = TypeAdapter(dict[str, dict[str, list[str]]])


def is_member(stem: str, group: frozenset[str]) -> bool:
    """Return whether a group names a file's stem, or the MD5 of it."""
    return stem in group or hashed(stem) in group


def hashed(stem: str) -> str:
    """Return the first digits of a stem's MD5."""
    return hashlib.md5(stem.encode(), usedforsecurity=False).hexdigest()[:DIGITS]


def load_groups(path: Path = FILE) -> Groups:
    """Read a file of GROUP: {SET: [STEM, ...]}; sets are for the reader alone. Errors: HenshinError."""
    return {name: frozenset().union(*sets.values()) for name, sets in load_sets(path).items()}


def load_sets(path: Path = FILE) -> dict[str, dict[str, list[str]]]:
    """Read the same as it stands, in its order. Errors: HenshinError for another form, or a stem named twice."""
    import yaml

    try:
        sets = _FORM.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")), strict=True)
    except OSError as error:
        raise HenshinError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise HenshinError(f"{path}: must be GROUP: {{SET: [STEM, ...]}}, all of them texts") from error
    for group, by_set in sets.items():
        stems = [stem for one in by_set.values() for stem in one]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        if twice:
            raise HenshinError(f"{path}: {group}: {', '.join(twice)} named more than once")
    return sets

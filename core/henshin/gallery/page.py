"""The page of a gallery: templates from the package, the entries as JSON in it, and a policy that allows no other host.

A page from ``file://`` may neither load modules nor fetch: style, script and data are all within it. The policy names
the style and the script by their hashes, so that nothing else on the page runs, whatever a file's name says.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from string import Template
from typing import Any

from henshin.gallery.entries import GalleryEntry, GalleryRecord, RecordedFile
from henshin.gallery.overview import details, facts, html, lead, notice, title_of, used_runs
from henshin.gallery.pictures import PictureStore, link_to
from henshin.gallery.plain import PAGE, page_count, page_name, plain_list

SCRIPTS = ("slider.js", "grid.js", "viewer.js")


def pages(record: GalleryRecord, store: PictureStore) -> Iterator[tuple[str, str]]:
    """Yield (file, text) of the page of a gallery and of the plain pages beside it."""
    style, script = _part("gallery.css"), "\n".join(map(_part, SCRIPTS))
    title = html(title_of(record))
    count = page_count(record.entries)
    yield (
        page_name(1),
        Template(_part("index.html")).substitute(
            policy=_policy(style, script),
            title=title,
            style=style,
            script=script,
            lead=lead(record),
            facts=facts(record),
            notice=notice(record),
            details=details(record),
            plain=plain_list(record.entries, store, 1),
            data=_script_json(_data(record, store)),
        ),
    )
    for number in range(2, count + 1):
        first = (number - 1) * PAGE + 1
        last = min(number * PAGE, len(record.entries))
        body = plain_list(record.entries, store, number)
        heading = f"{title}: pictures {first} to {last}"
        page = Template(_part("plain.html"))
        yield page_name(number), page.substitute(policy=_policy(style), title=heading, style=style, plain=body)


def _part(name: str) -> str:
    return (files("henshin.gallery") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str | None = None) -> str:
    """Return the Content-Security-Policy: pictures of the page's own host or disk, this style and script, no more.

    A browser has no ``'self'`` for a page from the disk, hence ``file:``.
    """
    allowed = f"script-src {_hash(script)}; " if script is not None else ""
    return (
        f"default-src 'none'; img-src 'self' file:; style-src {_hash(style)}; {allowed}base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script_json(value: Any) -> str:
    """Return JSON that may stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(record: GalleryRecord, store: PictureStore) -> dict[str, Any]:
    """Return the entries for the script; what is empty is left out. ``slider.js`` says what the letters mean."""
    names = {run.description.fingerprint: run.description.pipeline for run in used_runs(record)}
    has_several = len({entry.fingerprint for entry in record.entries}) > 1
    return {
        "entries": [
            _entry(entry, store, names.get(entry.fingerprint) if has_several else None) for entry in record.entries
        ]
    }


def _entry(entry: GalleryEntry, store: PictureStore, pipeline: str | None) -> dict[str, Any]:
    values = {
        "n": entry.name,
        "s": "" if entry.status == "done" else entry.status,
        "g": entry.stage,
        "r": entry.reason,
        "f": entry.faces,
        "t": round(entry.seconds, 3),
        "b": None if entry.before is None else _file(entry.before, store, entry.reason),
        "a": [_file(file, store) for file in entry.after],
        "d": list(entry.dropped) if entry.status == "done" else None,
        "m": list(entry.remarks),
        "p": pipeline,
    }
    return {key: value for key, value in values.items() if value is not None and value not in ("", [])}


def _file(file: RecordedFile, store: PictureStore, known: str | None = None) -> dict[str, Any]:
    shown = store.shown(file)
    picture = shown.picture
    values = {
        "n": file.path.name,
        "s": picture and picture.small,
        "l": picture.large if picture is not None and picture.large != picture.small else None,
        "w": picture and picture.width,
        "h": picture and picture.height,
        "u": link_to(shown.link, store.gallery) if shown.link is not None else None,
        "v": 1 if shown.is_viewable else None,
        "e": store.problem(file, known),
    }
    return {key: value for key, value in values.items() if value is not None}

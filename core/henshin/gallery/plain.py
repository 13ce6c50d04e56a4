"""The pictures of a gallery as plain HTML, for browsers where JavaScript is off: a page for every 200 of them."""

from __future__ import annotations

from collections.abc import Sequence

from henshin.gallery.entries import GalleryEntry, RecordedFile
from henshin.gallery.overview import STATUS_WORDS, html
from henshin.gallery.pictures import PictureStore, ShownFile
from henshin.text import format_count

PAGE = 200
"""Pictures of one page: without JavaScript a browser loads all of a page's pictures at once."""


def page_count(entries: Sequence[GalleryEntry]) -> int:
    """Return the number of plain pages."""
    return max(1, -(-len(entries) // PAGE))


def page_name(number: int) -> str:
    """Return the file of a plain page, counted from 1; the first one is within the gallery's own page."""
    return "index.html" if number == 1 else f"plain-{number}.html"


def plain_list(entries: Sequence[GalleryEntry], store: PictureStore, number: int) -> str:
    """Return the pictures of one page, with the way to the other pages above and below."""
    ways = _ways(page_count(entries), number)
    shown = entries[(number - 1) * PAGE : number * PAGE]
    return f'{ways}<ul class="plain">{"".join(_item(entry, store) for entry in shown)}</ul>{ways}'


def _ways(count: int, current: int) -> str:
    if count == 1:
        return ""
    links = "".join(
        f'<li><a href="{page_name(number)}">{number}</a></li>'
        if number != current
        else f'<li aria-current="page">{number}</li>'
        for number in range(1, count + 1)
    )
    return f'<nav aria-label="Pages"><ul class="ways">{links}</ul></nav>'


def _item(entry: GalleryEntry, store: PictureStore) -> str:
    pictures = "".join(_picture(entry, file, store) for file in entry.files)
    return f"<li><h3>{html(entry.name)}</h3><div>{pictures}</div><p>{html(status_text(entry))}</p></li>"


def _picture(entry: GalleryEntry, file: RecordedFile, store: PictureStore) -> str:
    label = "before" if file is entry.before else "after"
    shown = store.shown(file)
    image = _image(entry, label, shown)
    reason = store.problem(file, entry.reason)
    problem = f"<br>{html(reason)}" if reason else ""
    return f"<figure>{image}<figcaption>{label}{problem}</figcaption></figure>" if image or problem else ""


def _image(entry: GalleryEntry, label: str, shown: ShownFile) -> str:
    if shown.picture is None:
        return ""
    alt = html(f"{entry.name}, {label}")
    return f'<a href="{shown.picture.large}"><img src="{shown.picture.small}" alt="{alt}" loading="lazy"></a>'


def status_text(entry: GalleryEntry) -> str:
    """Return how a source ended, in one line: stage and reason of a failure, or faces, working time and remarks."""
    if entry.status != "done":
        stage = f" by {entry.stage}" if entry.status == "skipped" and entry.stage else ""
        where = f"{entry.stage}: " if entry.status == "failed" and entry.stage else ""
        return f"{STATUS_WORDS[entry.status]}{stage}: {where}{entry.reason or ''}"
    texts = []
    if entry.faces is not None:
        texts.append(format_count(entry.faces, "face") if entry.faces else "no face")
    if len(entry.after) > 1:
        texts.append(format_count(len(entry.after), "result"))
    texts.append(f"{entry.seconds:.2f} s")
    texts += entry.remarks
    return ", ".join(texts)

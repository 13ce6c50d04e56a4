"""What the page of a gallery says of the run as a whole: counts, pipelines, models, times, runs and reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from henshin.engine.record.manifest import Ending
from henshin.engine.record.run_log import LoggedRun, UsedModel, UsedStage
from henshin.gallery.entries import GalleryEntry, GalleryRecord
from henshin.text import format_count, format_duration

MOST_ROWS = 50
"""Rows of a table of reasons or runs; the rest is counted."""

STATUS_WORDS: dict[Ending, str] = {"done": "done", "skipped": "left out", "failed": "failed"}


def html(text: object) -> str:
    """Return a text escaped for HTML, in quotes too; what is no Unicode (odd bytes of a file's name) becomes "?"."""
    return escape(str(text).encode("utf-8", "replace").decode("utf-8"))


def title_of(record: GalleryRecord) -> str:
    """Return the names of the pipelines that the results are of, else the name of the folder."""
    names = dict.fromkeys(run.description.pipeline for run in used_runs(record))
    return ", ".join(names) or record.folder.absolute().name


def used_runs(record: GalleryRecord) -> list[LoggedRun]:
    """Return for each fingerprint of the entries the last run that has it; a fingerprint without a run is left out."""
    last = {run.description.fingerprint: run for run in record.runs}
    return [last[one] for one in dict.fromkeys(entry.fingerprint for entry in record.entries) if one in last]


def lead(record: GalleryRecord) -> str:
    """Return the line below the title: the description of the pipelines."""
    texts = dict.fromkeys(run.description.description for run in used_runs(record))
    return html(" ".join(filter(None, texts)))


def facts(record: GalleryRecord) -> str:
    """Return the counts as list items: pictures by how they ended, faces, working time."""
    entries = record.entries
    counts = Counter(entry.status for entry in entries)
    texts = [format_count(len(entries), "picture")]
    texts += [f"{counts[status]:,} {words}" for status, words in STATUS_WORDS.items() if counts[status]]
    faces = [entry.faces for entry in entries if entry.faces is not None]
    if faces:
        texts.append(f"{format_count(sum(faces), 'face')} found")
    texts.append(f"{format_duration(sum(entry.seconds for entry in entries))} of work")
    return "".join(f"<li>{html(text)}</li>" for text in texts)


def notice(record: GalleryRecord) -> str:
    """Return a notice when the last run did not come to its end; else ""."""
    if not record.runs:
        return ""
    last = record.runs[-1]
    if last.outcome is None:
        what = "did not come to its end, or is still at work"
    elif last.outcome.interrupted:
        what = "was interrupted"
    elif last.outcome.stopped:
        what = f"stopped: {last.outcome.stopped}"
    else:
        return ""
    total = last.description.total
    finished = sum(entry.fingerprint == last.description.fingerprint for entry in record.entries)
    of = f" {finished} of {format_count(total, 'picture')} have results or a reason." if total is not None else ""
    return f'<p class="notice" role="note">{html(f"The last run {what}.{of} The same command goes on from there.")}</p>'


def details(record: GalleryRecord) -> str:
    """Return the foldable parts: reasons, pipeline and models, times, runs."""
    parts = (
        ("Failures and pictures left out", _reasons(record.entries)),
        ("Pipeline and models", _pipelines(record)),
        ("Times", _times(record)),
        ("Runs", _runs(record.runs)),
    )
    return "".join(
        f'<details><summary>{title}</summary><div class="inside">{body}</div></details>'
        for title, body in parts
        if body
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return _table_of_html(headings, ([html(cell) for cell in row] for row in rows))


def _table_of_html(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html(one)}</th>' for one in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _reasons(entries: Sequence[GalleryEntry]) -> str:
    counts = Counter(
        (STATUS_WORDS[entry.status], entry.stage or "", entry.reason or "")
        for entry in entries
        if entry.status != "done"
    )
    if not counts:
        return ""
    rows = [(number, *what) for what, number in counts.most_common(MOST_ROWS)]
    more = len(counts) - len(rows)
    rest = f"<p>{html(f'and {more} more reasons, each with its picture')}</p>" if more > 0 else ""
    return _table(("pictures", "how they ended", "stage", "reason"), rows) + rest


def _pipelines(record: GalleryRecord) -> str:
    runs = used_runs(record)
    counts = Counter(entry.fingerprint for entry in record.entries)
    known = {run.description.fingerprint for run in runs}
    unknown = sum(number for one, number in counts.items() if one not in known)
    parts = [_pipeline(run, counts[run.description.fingerprint]) for run in runs]
    if unknown:
        text = f"Of {format_count(unknown, 'picture')} the record does not say the pipeline: an older version wrote it."
        parts.append(f"<p>{html(text)}</p>")
    return "".join(parts)


def _pipeline(run: LoggedRun, pictures: int) -> str:
    one = run.description
    head = f"<h3>{html(one.pipeline)}</h3><p>{html(one.description)}</p>" if one.description else (
        f"<h3>{html(one.pipeline)}</h3>"
    )  # fmt: skip
    line = f"{format_count(pictures, 'picture')}, henshin {one.version}, on {one.device}"
    stages = "".join(f"<li><code>{html(stage.label)}</code>{_options(stage)}</li>" for stage in one.stages)
    return f"{head}<p>{html(line)}</p><ol>{stages}</ol>{_models(one.models)}"


def _options(stage: UsedStage) -> str:
    if not stage.options:
        return ""
    return " " + html(", ".join(f"{name}: {_value(value)}" for name, value in stage.options.items()))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _models(models: Sequence[UsedModel]) -> str:
    if not models:
        return "<p>No models.</p>"
    rows = [
        (
            html(one.name),
            html(one.licence or "not stated"),
            html(one.data),
            _origin(one.origin),
            f'<code class="hash">{html(one.sha256)}</code>',
        )
        for one in models
    ]
    return _table_of_html(("model", "licence", "data", "origin", "SHA-256"), rows)


def _origin(text: str) -> str:
    """Return the origin of a model; all of the options that a training ran with only when asked for."""
    short, sign, options = text.partition("; {")
    if not sign:
        return html(text)
    return f"<details><summary>{html(short)}</summary>{html('{' + options)}</details>"


def _times(record: GalleryRecord) -> str:
    total = sum(seconds for _, seconds in record.timings.values())
    if not total:
        return ""
    rows = [
        (label, pictures, f"{seconds:.2f} s", f"{1000 * seconds / pictures:.1f} ms", f"{100 * seconds / total:.0f} %")
        for label, (pictures, seconds) in record.timings.items()
    ]
    return _table(("stage", "pictures", "in all", "a picture", "share"), rows)


def _runs(runs: Sequence[LoggedRun]) -> str:
    if not runs:
        return ""
    rows = [_run_row(run) for run in reversed(runs[-MOST_ROWS:])]
    return _table(("begun (UTC)", "pipeline", "pictures at once", "took", "done", "failed", "left out", "ended"), rows)


def _run_row(run: LoggedRun) -> tuple[object, ...]:
    one, end = run.description, run.outcome
    begun = one.begun[:19].replace("T", " ")
    if end is None:
        return (begun, one.pipeline, "", "", "", "", "", "not yet, or killed")
    how = "interrupted" if end.interrupted else f"stopped: {end.stopped}" if end.stopped else "whole"
    return (begun, one.pipeline, end.workers, format_duration(end.seconds), end.done, end.failed, end.skipped, how)

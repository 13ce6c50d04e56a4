"""The recorder: counts, records and reports the outcomes of sources, in the order of the listing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from henshin.engine.execution.writer import WrittenFile, stopped_error, write_error
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.manifest import Drop, Ending, Output, RecordEntry
from henshin.engine.report.summary import Failure, Reporter, Status, Summary
from henshin.engine.stages.job import Job
from henshin.files import exists
from henshin.text import format_count


@dataclass(slots=True, eq=False)
class PendingWrite:
    """One source while its outputs are written: its job, or its status and record entry when there is nothing to do."""

    source: SourceFile
    job: Job | None = None
    status: Status | None = None
    entry: RecordEntry | None = None
    notes: list[list[str]] = field(default_factory=list)


class Recorder:
    """Updates the summary and the record of a run. ``record_count`` is the number of entries that it has written.

    ``before_first`` is called before it writes the first one.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        summary: Summary,
        report: Reporter,
        start: float,
        before_first: Callable[[], None] = lambda: None,
    ) -> None:
        self.prepared = prepared
        self.summary = summary
        self.report = report
        self.start = start
        self.before_first = before_first
        self.record_count = 0

    def finish(self, pending: PendingWrite, futures: list[Future[WrittenFile]]) -> None:
        """Count, record and report the outcome of one source. Errors: StoppedError when the disk is full."""
        source, job = pending.source, pending.job
        shown = str(source.path)
        if job is None:
            self._count_earlier(pending, shown)
            return
        written = self._collect(job, futures)
        for note in dict.fromkeys(note for notes in pending.notes for note in notes):
            self.report.note(f"{shown}: {note}")
        outputs = [one.output for one in written if one.output is not None]
        if written and not outputs and not job.errors:
            self._report(shown, "existing", None)
            return
        entry = self._entry(job, outputs)
        previous = self.prepared.last(source)
        self._record(entry)
        self._add_left_behind(previous, entry)
        self._count(job, entry, written)
        self._report(shown, entry.status, _outcome_reason(job, entry))

    def _record(self, entry: RecordEntry) -> None:
        if not self.record_count:
            self.before_first()
        try:
            self.prepared.manifest.append(entry)
        except OSError as error:
            raise stopped_error(error) from None
        self.record_count += 1

    def _collect(self, job: Job, futures: list[Future[WrittenFile]]) -> list[WrittenFile]:
        written = []
        for future in futures:
            error = future.exception()
            if error is None:
                written.append(future.result())
                job.seconds += written[-1].seconds
            else:
                job.fail("write", write_error(error))
        return written

    def _entry(self, job: Job, outputs: list[Output]) -> RecordEntry:
        status: Ending = "failed" if job.errors else "done" if outputs else "skipped"
        reason = job.errors[0].reason if job.errors else _skip_reason(job) if not outputs else None
        return RecordEntry(
            source=job.source.key,
            outputs=outputs,
            status=status,
            stage=job.stage if reason else None,
            reason=reason,
            input_hash=job.input_hash,
            fingerprint=self.prepared.fingerprint,
            seconds=round(job.seconds, 4),
            dropped=tuple(map(self._with_replacement, job.dropped)),
            remembered=job.remembered,
            faces=job.faces,
            timings={label: round(seconds, 4) for label, seconds in job.timings.items()},
            remarks=tuple(job.remarks),
        )

    def _with_replacement(self, drop: Drop) -> Drop:
        """Return a drop with the record's key and hash of the source in its place, which has ended before."""
        key = self.prepared.key(drop.instead) if drop.instead is not None else None
        entry = self.prepared.manifest.last(key) if key is not None else None
        if entry is None:
            return replace(drop, instead=None)
        return replace(drop, instead=entry.source, instead_hash=entry.input_hash)

    def _count(self, job: Job, entry: RecordEntry, written: list[WrittenFile]) -> None:
        summary = self.summary
        summary.outputs += len(entry.outputs)
        if entry.outputs and summary.first_seconds is None:
            summary.first_seconds = round(min(one.finished_at for one in written if one.output) - self.start, 4)
        if entry.status == "failed":
            summary.failures.append(Failure(str(job.source.path), entry.stage or "", entry.reason or ""))
        if entry.status == "done" and all(one.unchanged for one in written):
            summary.unchanged += 1
        if job.faces is not None:
            summary.faces = (summary.faces or 0) + job.faces
            summary.without_faces = (summary.without_faces or 0) + (job.faces == 0)

    def _count_earlier(self, pending: PendingWrite, shown: str) -> None:
        status = pending.status or "up to date"
        reason = None
        if pending.entry is not None and pending.entry.source != pending.source.key:
            self._record(replace(pending.entry, source=pending.source.key))  # the same photo at a new path
        if status == "failed" and pending.entry is not None:
            failure = Failure(shown, pending.entry.stage or "", pending.entry.reason or "", earlier=True)
            self.summary.failures.append(failure)
            reason = f"{failure.stage}: {failure.reason} (in an earlier run)"
        self._report(shown, status, reason)

    def _report(self, shown: str, status: Status, reason: str | None) -> None:
        field_name = status.replace(" ", "_")
        setattr(self.summary, field_name, getattr(self.summary, field_name) + 1)
        self.report.done(shown, status, reason)

    def _add_left_behind(self, previous: RecordEntry | None, current: RecordEntry) -> None:
        """Add outputs of an earlier run that this one did not write again to ``left_behind``; none is ever deleted."""
        new_paths = {output.path for output in current.outputs}
        for output in previous.outputs if previous is not None else []:
            if output.path not in new_paths and exists(self.prepared.target.folder / output.path):
                self.summary.left_behind.append(output.path)


def _skip_reason(job: Job) -> str:
    """Return the reason why a source has no outputs."""
    if not job.dropped:
        return f"left out by {job.stage}"
    more = len(job.dropped) - 1
    return f"{job.dropped[-1].reason}{f' (and {more} more of its pictures)' if more else ''}"


def _outcome_reason(job: Job, entry: RecordEntry) -> str | None:
    """Return stage and reason of a failure, the reason of a skip, or the faces and remarks of a source that is done."""
    if entry.status == "failed":
        return f"{entry.stage}: {entry.reason}"
    if entry.status == "skipped":
        return entry.reason
    faces = [] if job.faces is None else [format_count(job.faces, "face") if job.faces else "no face"]
    return "; ".join([*faces, *job.remarks]) or None

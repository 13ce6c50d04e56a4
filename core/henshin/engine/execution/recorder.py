"""How sources leave a run: counted, recorded and told, in the order of the listing."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from henshin.engine.execution.writer import WrittenFile, explain, stopped_by
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.manifest import Drop, Ending, Output, RecordEntry
from henshin.engine.report.summary import Failure, Reporter, Status, Summary
from henshin.engine.stages.job import Job
from henshin.files import exists


@dataclass(slots=True, eq=False)
class PendingWrite:
    """What is still known of a source while its outputs are written."""

    source: SourceFile
    job: Job | None = None
    verdict: Status | None = None
    entry: RecordEntry | None = None
    notes: list[list[str]] = field(default_factory=list)


class Recorder:
    """Keeps the summary and the record of a run."""

    def __init__(self, prepared: PreparedRun, summary: Summary, report: Reporter, start: float) -> None:
        self.prepared = prepared
        self.summary = summary
        self.report = report
        self.start = start
        self.recorded = 0

    def finish(self, leaving: PendingWrite, futures: list[Future[WrittenFile]]) -> None:
        """Count, record and tell how one source ended. Errors: StoppedError when the disk is full."""
        source, job = leaving.source, leaving.job
        shown = str(source.path)
        if job is None:
            self._count_earlier(leaving, shown)
            return
        written = self._collect(job, futures)
        for note in dict.fromkeys(note for notes in leaving.notes for note in notes):
            self.report.note(f"{shown}: {note}")
        outputs = [one.output for one in written if one.output is not None]
        if written and not outputs and not job.errors:
            self._tell(shown, "existing", None)
            return
        entry = self._entry(job, outputs)
        before = self.prepared.last(source)
        self._record(entry)
        self._left_behind(before, entry)
        self._count(job, entry, written)
        self._tell(shown, entry.status, _remark(job, entry))

    def _record(self, entry: RecordEntry) -> None:
        try:
            self.prepared.manifest.append(entry)
        except OSError as error:
            raise stopped_by(error) from None
        self.recorded += 1

    def _collect(self, job: Job, futures: list[Future[WrittenFile]]) -> list[WrittenFile]:
        written = []
        for future in futures:
            error = future.exception()
            if error is None:
                written.append(future.result())
                job.seconds += written[-1].seconds
            else:
                job.fail("write", explain(error))
        return written

    def _entry(self, job: Job, outputs: list[Output]) -> RecordEntry:
        status: Ending = "failed" if job.errors else "done" if outputs else "skipped"
        reason = job.errors[0].reason if job.errors else _left_out(job) if not outputs else None
        return RecordEntry(
            source=job.source.key,
            outputs=outputs,
            status=status,
            stage=job.stage if reason else None,
            reason=reason,
            input_hash=job.input_hash,
            fingerprint=self.prepared.fingerprint,
            seconds=round(job.seconds, 4),
            dropped=tuple(map(self._settled, job.dropped)),
            remembered=job.remembered,
        )

    def _settled(self, drop: Drop) -> Drop:
        """Return what was dropped with what stays instead as the record knows it: that has ended before."""
        key = self.prepared.key(drop.instead) if drop.instead is not None else None
        entry = self.prepared.manifest.last(key) if key is not None else None
        if entry is None:
            return replace(drop, instead=None)
        return replace(drop, instead=entry.source, instead_hash=entry.input_hash)

    def _count(self, job: Job, entry: RecordEntry, written: list[WrittenFile]) -> None:
        summary = self.summary
        summary.outputs += len(entry.outputs)
        if entry.outputs and summary.first_seconds is None:
            summary.first_seconds = round(min(one.at for one in written if one.output) - self.start, 4)
        if entry.status == "failed":
            summary.failures.append(Failure(str(job.source.path), entry.stage or "", entry.reason or ""))
        if entry.status == "done" and all(one.unchanged for one in written):
            summary.unchanged += 1
        if job.faces is not None:
            summary.faces = (summary.faces or 0) + job.faces
            summary.without_faces = (summary.without_faces or 0) + (job.faces == 0)

    def _count_earlier(self, leaving: PendingWrite, shown: str) -> None:
        status = leaving.verdict or "up to date"
        reason = None
        if leaving.entry is not None and leaving.entry.source != leaving.source.key:
            self._record(replace(leaving.entry, source=leaving.source.key))  # the same photo at a new place
        if status == "failed" and leaving.entry is not None:
            failure = Failure(shown, leaving.entry.stage or "", leaving.entry.reason or "", earlier=True)
            self.summary.failures.append(failure)
            reason = f"{failure.stage}: {failure.reason} (in an earlier run)"
        self._tell(shown, status, reason)

    def _tell(self, shown: str, status: Status, reason: str | None) -> None:
        field_name = status.replace(" ", "_")
        setattr(self.summary, field_name, getattr(self.summary, field_name) + 1)
        self.report.done(shown, status, reason)

    def _left_behind(self, before: RecordEntry | None, now: RecordEntry) -> None:
        """Name outputs of an earlier run that this one did not make again. Finished work is never deleted."""
        made = {output.path for output in now.outputs}
        for output in before.outputs if before is not None else []:
            if output.path not in made and exists(self.prepared.target.folder / output.path):
                self.summary.left_behind.append(output.path)


def _left_out(job: Job) -> str:
    """Say why nothing came of a source."""
    if not job.dropped:
        return f"left out by {job.stage}"
    more = len(job.dropped) - 1
    return f"{job.dropped[-1].reason}{f' (and {more} more of its pictures)' if more else ''}"


def _remark(job: Job, entry: RecordEntry) -> str | None:
    """Say where and why a source failed or was left out, and of one that is done how many faces it has, if known."""
    if entry.status == "failed":
        return f"{entry.stage}: {entry.reason}"
    if entry.status == "skipped" or job.faces is None:
        return entry.reason
    return f"{job.faces} face{'s' * (job.faces != 1)}" if job.faces else "no face"

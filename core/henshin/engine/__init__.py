"""The engine: a pipeline run over pictures: read-ahead, stages over chunks of frames, write-behind, and a record.

- ``RunRequest``: the pipeline, inputs, output and options of a run, with the model store and the registry.
- ``run(request, report) -> Summary`` does the work; ``plan(request) -> Plan`` says what it would do.
- ``RunOptions``, ``Limits``: the options of a run. ``Reporter`` shows its progress; ``NullReporter`` shows nothing.

The packages inside, from the bottom up:

- ``options``: the options of a run; ``record``: the record of an output folder (JSON lines, lock); ``timeline``: what
  each thread does, and when.
- ``preparation``: the request, the listing of input files, output paths, fingerprint, the schedule, and the prepared
  run.
- ``stages``: jobs of frames and the runner of stages, by several threads at once; ``report``: progress, summary,
  profile, contact sheets.
- ``execution``: reader, streaming, run loop, writer, recorder.
- ``run`` and ``plan``: the two functions above.
"""

from __future__ import annotations

from henshin.engine.options import Limits, RunOptions
from henshin.engine.plan import Plan, plan
from henshin.engine.preparation.request import RunRequest
from henshin.engine.report.summary import Failure, NullReporter, Reporter, Status, Summary
from henshin.engine.run import run

__all__ = [
    "Failure",
    "Limits",
    "NullReporter",
    "Plan",
    "Reporter",
    "RunOptions",
    "RunRequest",
    "Status",
    "Summary",
    "plan",
    "run",
]

"""The engine: a pipeline run over pictures: read-ahead, stages over chunks of frames, write-behind, and a record.

- ``run(pipeline, inputs, output, options, *, store, registry, report) -> Summary`` does the work.
- ``plan(...)``, with the same arguments but ``report``, is the dry run: it returns a ``Plan`` and writes nothing.
- ``RunOptions``, ``Limits``: the options of a run. ``Reporter``: the protocol of a progress display; ``NullReporter``
  shows nothing.

The packages inside, from the bottom up:

- ``options``: the options of a run; ``record``: the record of an output folder (JSON lines, lock).
- ``preparation``: the listing of input files, output paths, fingerprint, and the prepared run.
- ``stages``: jobs of frames and the runner of stages; ``report``: progress, summary, contact sheets.
- ``execution``: reader, streaming, run loop, writer, recorder.
- ``run`` and ``plan``: the two functions above.
"""

from __future__ import annotations

from henshin.engine.options import Limits, RunOptions
from henshin.engine.plan import Plan, plan
from henshin.engine.report.summary import Failure, NullReporter, Reporter, Status, Summary
from henshin.engine.run import run

__all__ = ["Failure", "Limits", "NullReporter", "Plan", "Reporter", "RunOptions", "Status", "Summary", "plan", "run"]

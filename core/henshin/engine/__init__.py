"""The engine: in -> read-ahead -> stages over chunks of frames -> write-behind -> out, with a record of it all.

- ``RunRequest``: the pipeline, inputs, output and options of a run, with the model store and the registry.
- ``run(request, report) -> Summary`` does the work; ``plan(request) -> Plan`` says what it would do.
- ``RunOptions``, ``Limits``: the options of a run. ``Reporter`` shows its progress; ``NullReporter`` shows nothing.

The rooms inside: ``preparation`` (sources, names of outputs, fingerprint), ``record`` (the manifest of a folder),
``stages`` (stages over frames), ``execution`` (threads, memory, reading, writing), ``report`` (the summary and contact
sheets).
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

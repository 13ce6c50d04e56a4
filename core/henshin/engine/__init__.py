"""The engine: in -> read-ahead -> stages over chunks of frames -> write-behind -> out, with a record of it all.

- ``run(pipeline, inputs, output, options, *, store, registry, report) -> Summary`` does the work.
- ``plan(...)``, with the same arguments but ``report``, says what it would do.
- ``RunOptions``, ``Limits``: what may be said about a run. ``Reporter``: what draws it; ``NullReporter`` does not.

The rooms inside: ``inputs`` (listing), ``names`` (outputs told apart), ``target`` (where to), ``prepare`` (all that is
settled beforehand), ``fingerprint``, ``flow`` (threads and memory), ``work`` and ``zones`` and ``faults`` (stages over
frames), ``save`` (frames to files), ``session`` (one run), ``summary``.
"""

from __future__ import annotations

from henshin.engine.options import Limits, RunOptions
from henshin.engine.plan import Plan, plan
from henshin.engine.report.summary import Failure, NullReporter, Reporter, Status, Summary
from henshin.engine.run import run

__all__ = ["Failure", "Limits", "NullReporter", "Plan", "Reporter", "RunOptions", "Status", "Summary", "plan", "run"]

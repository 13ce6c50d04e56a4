"""One call of `henshin sheet`."""

from __future__ import annotations

from typing import Any

import click

from henshin.cli.base import say
from henshin.cli.contest import USUAL_SCALES, Contest, check_page, entered, save, told
from henshin.cli.text import amount


def drawn(asked: dict[str, Any], level: int) -> int:
    """Draw a sheet of pictures that have no truth. Returns the exit code. Errors: HenshinError."""
    from henshin.cli.log import log_to
    from henshin.cli.report import reporter
    from henshin.evaluation import Ruler, Sheet, evaluate, plain_set

    if not asked["inputs"]:
        raise click.UsageError("no input: name photos, folders or a glob with -i", click.get_current_context())
    check_page(asked["output"], asked["force"])
    pictures = plain_set(asked["inputs"], "")
    left_out = len(pictures.members) - asked["rows"]
    del pictures.members[asked["rows"] :]
    report = reporter(level)
    with log_to(report.line, level), entered(asked, report.note) as contest:
        scale = asked["scale"] or _furthest(contest)
        contest.check([scale])
        sheet = Sheet([one.name for one in contest.methods(scale)], len(pictures.members), asked["cell"], truth=False)
        sheet.check(1)
        with told(report, len(pictures.members) + len(pictures.unfit)) as ended:
            results = evaluate([(pictures, [scale])], contest.methods, Ruler(), ended, sheet)
    if left_out > 0 and level >= 0:
        say(f"the first {amount(asked['rows'], 'picture')}; {left_out} more have no room (--rows)")
    save(sheet, asked["output"], level)
    return results.exit_code


def _furthest(contest: Contest) -> int:
    if contest.models and not contest.pipelines:
        common = set.intersection(*(set(one.scales) for one in contest.models))
        return max(common) if common else max(contest.common_scales())
    return USUAL_SCALES[-1]

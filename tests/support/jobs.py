"""Jobs of pictures of one colour, and stages made of a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from henshin.api.frame import Frame
from henshin.api.stage import Stage
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.stages.job import Job
from henshin.engine.stages.runner import StageRunner


def jobs(*colours: int, size: tuple[int, int] = (8, 12)) -> list[Job]:
    made = []
    for number, colour in enumerate(colours):
        picture = np.full((*size, 3), colour, np.uint8)
        picture.flags.writeable = False
        frame = Frame(f"{number}.png", str(number), picture, decoded=picture)
        made.append(Job(SourceFile.at(Path(f"{number}.png"), f"{number}.png"), "", [frame]))
    return made


def go(made: list[Job], *stages: Any) -> list[Job]:
    StageRunner([stage if isinstance(stage, Stage) else stage(stage.Config()) for stage in stages]).run(made)
    return made


def stage_with(run: Any, works_on: str = "pictures", **traits: Any) -> type[Stage[Any]]:
    return type("Made", (Stage,), {"name": "made", "works_on": works_on, "run": run, **traits})


# -- Pictures --------------------------------------------------------------------------------------------------------

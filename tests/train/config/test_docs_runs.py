"""The example runs of the documentation are runs: every option in them exists and fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.paths import ROOT

pytest.importorskip("torch")

from henshin.errors import PipelineError
from henshin.registry import build_registry
from henshin.train.config.run_config import load_run

RUNS = sorted((ROOT / "docs" / "runs").glob("*.yaml"))


@pytest.mark.parametrize("run", RUNS, ids=[run.stem for run in RUNS])
def test_nothing_is_wrong_with_an_example_run_but_that_its_pictures_are_the_readers(run: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        load_run(run, build_registry())
    told = str(caught.value).splitlines()
    assert [line for line in told if "no such folder" not in line] == []


def test_there_are_example_runs() -> None:
    assert {"cyclegan", "cyclegan-step-rate", "cyclegan-three-downs", "cyclegan-unet", "pix2pix"} <= {
        run.stem for run in RUNS
    }

"""A training that is killed at any moment goes on the same curve; Ctrl-C ends all processes of a run together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from support_recipe import PLUGIN, dots, log
from support_train import different, last_state

from henshin.train.weights import checkpoint

pytestmark = pytest.mark.slow
TRAIN = ["train", "dots.yaml", "-o", "run", "--plugin", "dots.py", "--device", "cpu", "--precision", "fp32"]


def started(place: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from henshin.cli import main; raise SystemExit(main())", *TRAIN, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def saved(place: Path) -> int:
    return max((int(path.name) for path in checkpoint.found(place / "run" / "checkpoints")), default=0)


def until_saved(place: Path, process: subprocess.Popen[str], step: int) -> None:
    end = time.monotonic() + 300
    while saved(place) < step:
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    text = "steps: 2000\nepoch: 1000\n"
    (tmp_path / "whole").mkdir()
    dots(tmp_path / "whole", text=text, log_every=50)
    (tmp_path / "dots.py").write_text(PLUGIN)
    (tmp_path / "dots.yaml").write_text("recipe: dots\n" + text)
    rng = np.random.default_rng(1)
    for _ in range(3):  # it saves after every step, so that most kills fall into a save
        again = ("--resume",) if (tmp_path / "run" / "run.json").is_file() else ()
        process = started(tmp_path, *again, "--save-every", "0.001")
        until_saved(tmp_path, process, saved(tmp_path) + 10)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.wait()
    dots(tmp_path, text=text, log_every=50, resume=True)
    assert log(tmp_path / "run") == log(tmp_path / "whole" / "run")
    assert different(last_state(tmp_path / "run"), last_state(tmp_path / "whole" / "run")) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("devices", ["1", "2"])
def test_an_interrupt_ends_a_run_with_everything_saved(devices: str, tmp_path: Path) -> None:
    (tmp_path / "dots.py").write_text(PLUGIN)
    (tmp_path / "dots.yaml").write_text("recipe: dots\nsteps: 1000000\nepoch: 1000000\n")
    process = started(tmp_path, "--save-every", "0.2", "--devices", devices)
    until_saved(tmp_path, process, 120)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"interrupted at step {saved(tmp_path)} of 1000000; go on with --resume" in said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "plots" / "losses.png").is_file()

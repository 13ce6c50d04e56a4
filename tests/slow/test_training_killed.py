"""A training that is killed at any moment goes on the same curve; Ctrl-C ends all processes of a run together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from support.killed import TESTS
from support.recipe import PLUGIN, dots, log
from support.train import different, last_state

from henshin.models.trained_weights import list_checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]
TRAIN = ["train", "dots.yaml", "-o", "run", "--plugin", "dots.py", "--device", "cpu", "--precision", "fp32"]


CODE = """\
import sys
from henshin.cli import main
sys.path.insert(0, sys.argv.pop(1))
at = int(sys.argv.pop(1))
if at:
    from support.killed import killed_at
    killed_at(at, "henshin.files", "pathlib", "shutil", "safetensors.torch")
sys.exit(main())
"""


def started(place: Path, *words: str, killed: int = 0) -> subprocess.Popen[str]:
    """Run it to its end, or to its death at that call of those that make, write, rename and drop checkpoints."""
    command = [sys.executable, "-c", CODE, TESTS, str(killed), *TRAIN, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def saved(place: Path) -> int:
    return max((int(path.name) for path in list_checkpoints(place / "run" / "checkpoints")), default=0)


def until_saved(place: Path, process: subprocess.Popen[str], step: int) -> None:
    end = time.monotonic() + 300
    while saved(place) < step:
        assert time.monotonic() < end
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            pytest.fail(process.stdout.read() if process.stdout else "it ended")


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    text = "steps: 2000\nepoch: 1000\n"
    (tmp_path / "whole").mkdir()
    dots(tmp_path / "whole", text=text, log_every=50)
    (tmp_path / "dots.py").write_text(PLUGIN)
    (tmp_path / "dots.yaml").write_text("recipe: dots\n" + text)
    rng = np.random.default_rng(1)
    for _ in range(3):  # it saves after every step, each time with a thousand such calls
        again = ("--resume",) if (tmp_path / "run" / "run.json").is_file() else ()
        before = saved(tmp_path)
        process = started(tmp_path, *again, "--save-every", "0.000001", killed=int(rng.integers(10_000, 30_000)))
        said, _ = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, said
        assert saved(tmp_path) > before
    dots(tmp_path, text=text, log_every=50, resume=True)
    assert log(tmp_path / "run") == log(tmp_path / "whole" / "run")
    assert different(last_state(tmp_path / "run"), last_state(tmp_path / "whole" / "run")) == []


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

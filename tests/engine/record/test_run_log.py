"""The log of runs: what each was and how it ended, also when it was interrupted or killed."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, Invert, Same

from henshin.engine.record.manifest import Manifest, RecordEntry
from henshin.engine.record.run_log import (
    LoggedRun,
    RunDescription,
    RunLog,
    RunOutcome,
    UsedModel,
    UsedStage,
    read_runs,
)

RUN = RunDescription(
    "print", "draw", "Draws.", "1.0", "cpu", 3,
    (UsedStage("generator", {"model": "m"}),), (UsedModel("m", "ab" * 32, "CC0"),),
)  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".henshin").mkdir()
    return tmp_path


def test_what_is_written_is_read_again(folder: Path) -> None:
    log = RunLog(folder)
    log.begin(RUN)
    assert read_runs(folder) == [LoggedRun(RUN)], "a run that was killed has no outcome"
    outcome = RunOutcome(1.5, done=2, failed=1, interrupted=True)
    log.end(outcome)
    assert read_runs(folder) == [LoggedRun(RUN, outcome)]


def test_a_run_that_recorded_nothing_and_a_single_file_write_no_line(folder: Path) -> None:
    RunLog(folder).end(RunOutcome(1.0))
    RunLog(None).begin(RUN)
    assert read_runs(folder) == []
    assert not (folder / ".henshin" / "runs.jsonl").exists()


def test_damaged_lines_and_lines_of_later_versions_are_survived(folder: Path) -> None:
    log = RunLog(folder)
    log.begin(RUN)
    with (folder / ".henshin" / "runs.jsonl").open("a") as file:
        file.write('{"ended": 1, "run": "unknown", "seconds": 1}\n[]\n{"begun": "x"}\n{"begun": 3, "stages": 4}\n{"cut')
    log.end(RunOutcome(2.0))
    later = folder / ".henshin" / "runs.jsonl"
    lines = later.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "unheard of": 1})
    later.write_text("\n".join(lines) + "\n")
    assert read_runs(folder) == [LoggedRun(RUN, RunOutcome(2.0))]


def test_a_log_that_cannot_be_written_ends_no_run(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / ".henshin" / "runs.jsonl").mkdir()
    with caplog.at_level(logging.DEBUG, "henshin"):
        RunLog(folder).begin(RUN)
    assert "no line in the log of runs" in caplog.text


def test_a_run_has_a_line_only_if_it_did_something(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Invert(Invert.Config(strength=200)))
    bench.run(Invert(Invert.Config(strength=200)))
    (run,) = read_runs(bench.out)
    assert (run.description.pipeline, run.description.total) == ("test", 1)
    assert run.description.stages == (UsedStage("invert", {"strength": 200}),)
    assert run.description.fingerprint == Manifest(bench.out).load().entries[str(bench.photos / "a.png")].fingerprint
    assert run.outcome is not None
    assert (run.outcome.done, run.outcome.interrupted) == (1, False)
    bench.run(Same)
    assert [one.description.stages for one in read_runs(bench.out)][1] == (UsedStage("same"),)


def test_an_interrupted_run_is_logged_as_such(bench: Bench) -> None:
    class Stop(Same):
        name = "stop"

        def run(self, pictures: Any) -> Any:
            if tuple(pictures[0][0, 0]) == (7, 7, 7):
                raise KeyboardInterrupt
            return pictures

    bench.photo("a.png")
    bench.photo("b.png", (7, 7, 7))
    assert bench.run(Stop, chunk=1, workers=1).interrupted
    (run,) = read_runs(bench.out)
    assert run.outcome is not None
    assert run.outcome.interrupted
    assert (run.description.total, run.outcome.done) == (2, 1)


def test_networks_without_a_contract_are_named_with_their_hashes(bench: Bench, tmp_path: Path) -> None:
    from henshin.engine.preparation.prepare import open_run
    from henshin.engine.report.description import describe_run

    bench.photo("a.png")
    network = tmp_path / "eyes.onnx"
    network.write_bytes(b"network")
    request = bench.request([Same], None, None, {})
    with open_run(request, write=False) as (_, prepared):
        described = describe_run(request, prepared, "cpu", {"same": [network, tmp_path / "gone.onnx"]})
    assert described.models == (UsedModel("eyes.onnx", hashlib.sha256(b"network").hexdigest()),)


def test_faces_and_times_are_in_the_record_only_where_they_are_known(tmp_path: Path) -> None:
    base = RecordEntry("/in/x.jpg", [], "done", None, None, "hash", "print", 0.5)
    known = RecordEntry("/in/y.jpg", [], "done", None, None, "hash", "print", 0.5, faces=0, timings={"a": 0.25})
    with Manifest(tmp_path) as manifest:
        manifest.append(base)
        manifest.append(known)
    lines = [json.loads(line) for line in (tmp_path / ".henshin" / "run.jsonl").read_text().splitlines()]
    assert "faces" not in lines[0]
    assert "timings" not in lines[0]
    assert (lines[1]["faces"], lines[1]["timings"]) == (0, {"a": 0.25})
    loaded = Manifest(tmp_path).load().entries
    assert (loaded["/in/x.jpg"].faces, loaded["/in/y.jpg"].faces) == (None, 0)
    assert loaded["/in/y.jpg"].timings == {}, "held in the file alone"

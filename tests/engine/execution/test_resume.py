"""Runs that end early: killed, interrupted, out of disk. What is finished stays, and the next run does the rest."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image
from support.engine import Bench, Invert, Multiply
from support.killed import TESTS

from henshin import images
from henshin.engine import run
from henshin.engine.record.manifest import Manifest
from henshin.errors import HenshinError
from henshin.images import decoding

KILLED = """\
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.engine import Bench, Invert

class Killed(Invert):
    runs = 0

    def run(self, pictures):
        Killed.runs += 1
        if Killed.runs == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(pictures)

Bench(Path(sys.argv[2])).run(Killed, chunk=2, workers=2)
"""
"""A run that is killed when 21 photos were handed to the writers, of which at most 16 may be under way."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def record(bench: Bench) -> list[dict[str, Any]]:
    found = []
    for line in (bench.out / ".henshin" / "run.jsonl").read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def assert_whole(bench: Bench, number: int) -> None:
    """Every photo has its result, each is a whole picture, and no scraps lie about."""
    assert bench.files() == sorted(f"{index:03}.png" for index in range(number))
    for name in bench.files():
        assert Image.open(bench.out / name).getpixel((0, 0)) == (int(name[:3]), 155, 55)
    assert sorted(path.name for path in (bench.out / ".henshin").iterdir()) == ["run.jsonl", "runs.jsonl"]


def fill(bench: Bench, number: int) -> None:
    for index in range(number):
        bench.photo(f"{index:03}.png", (255 - index, 100, 200))


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_after_kill_9_the_rest_is_done_and_nothing_is_done_twice(bench: Bench) -> None:
    fill(bench, 60)
    words = [sys.executable, "-c", KILLED, TESTS, str(bench.folder)]
    assert subprocess.run(words, timeout=120).returncode == -signal.SIGKILL
    finished = {entry["source"] for entry in record(bench)}
    assert 5 <= len(finished) <= 21
    # As if the kill had also caught a line and a picture half-way.
    with (bench.out / ".henshin" / "run.jsonl").open("ab") as file:
        file.write(b'{"source": "/half')
    summary = bench.run(Invert)  # of the same name and options, so it is the same work
    assert (summary.up_to_date, summary.done, summary.failed) == (len(finished), 60 - len(finished), 0)
    assert_whole(bench, 60)
    assert set(Counter(entry["source"] for entry in record(bench)).values()) == {1}
    assert bench.run(Invert).up_to_date == 60


def test_a_picture_written_but_not_recorded_before_a_kill_is_no_strange_file(bench: Bench) -> None:
    fill(bench, 2)
    with Manifest(bench.out) as manifest:
        manifest.begin_write("000.png", str(bench.photos / "000.png"))
    (bench.out / "000.png").write_bytes(b"whole or not")
    (bench.out / ".henshin-77.part").write_bytes(b"half")
    assert bench.run(Invert).done == 2
    assert_whole(bench, 2)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_stops_the_run_and_it_goes_on_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fill(bench, 30)
    room = 12
    write = images.write_bytes

    def full(path: Path, data: bytes) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(code, os.strerror(code), str(path))
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(images, "write_bytes", full)
        summary = bench.run(Invert, chunk=3, workers=2)
    assert summary.exit_code == 3
    assert os.strerror(code) in (summary.stopped or "")
    assert "\n" not in (summary.stopped or "")
    assert (summary.failed, summary.done) == (0, 12), "a picture for which there is no room has not failed"
    assert len(record(bench)) == 12
    summary = bench.run(Invert)
    assert (summary.up_to_date, summary.done, summary.exit_code) == (12, 18, 0)
    assert_whole(bench, 30)


def test_a_record_that_cannot_grow_stops_the_run_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench, 10)
    append = Manifest.append

    def full(self: Manifest, entry: Any) -> None:
        if len(self.entries) >= 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, entry)

    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "append", full)
        assert bench.run(Invert).exit_code == 3
    assert bench.run(Invert).exit_code == 0
    assert_whole(bench, 10)


def test_one_place_that_cannot_be_written_fails_that_picture_only(bench: Bench) -> None:
    bench.photo("a/x.png")
    bench.photo("b/x.png")
    bench.out.mkdir()
    (bench.out / "a").write_text("a file where a folder should be")
    summary = bench.run(Invert)
    assert (summary.done, summary.failed) == (1, 1)
    assert summary.failures[0].stage == "write"
    assert "cannot be written" in summary.failures[0].reason


def test_an_interruption_finishes_what_is_in_flight_and_the_next_run_the_rest(bench: Bench) -> None:
    fill(bench, 20)
    closed = []

    class Interrupted(Invert):
        runs = 0

        def run(self, pictures: Any) -> Any:
            Interrupted.runs += 1
            if Interrupted.runs == 4:
                raise KeyboardInterrupt
            return super().run(pictures)

        def close(self) -> None:
            closed.append(True)

    summary = bench.run(Interrupted, chunk=2)
    assert summary.interrupted
    assert summary.exit_code == 130
    assert summary.done == 5, "chunks of 1, 2 and 2 had been handed to the writers"
    assert closed == [True]
    assert bench.told.summary is summary
    assert len(record(bench)) == 5
    assert bench.run(Invert).done == 15
    assert_whole(bench, 20)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_cancelled_run_ends_between_pictures_and_the_same_request_goes_on(bench: Bench, workers: int) -> None:
    fill(bench, 30)
    cancel = Event()

    class Cancelling(Invert):
        runs = 0
        concurrent = True

        def run(self, pictures: Any) -> Any:
            Cancelling.runs += 1
            if Cancelling.runs == 4:
                cancel.set()
            return super().run(pictures)

    request = replace(bench.request([Cancelling], None, None, {"chunk": 1, "workers": workers}), cancel=cancel)
    summary = run(request, bench.told)
    assert summary.interrupted
    assert 4 <= summary.done <= 4 + 2 * workers + 1, "what had begun is finished, and no more"
    assert len(record(bench)) == summary.done == len(bench.files())
    cancel.clear()
    assert run(request, bench.told).done == 30 - summary.done
    assert_whole(bench, 30)


def test_a_run_that_is_cancelled_before_it_begins_does_nothing(bench: Bench) -> None:
    fill(bench, 3)
    cancel = Event()
    cancel.set()
    summary = run(replace(bench.request([Invert], None, None, {}), cancel=cancel), bench.told)
    assert (summary.interrupted, summary.done, bench.files()) == (True, 0, [])


def test_an_interruption_while_the_last_pictures_are_written_loses_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, 6)
    append = Manifest.append
    interrupted: list[bool] = []

    def interrupt_once(self: Manifest, entry: Any) -> None:
        append(self, entry)
        if len(self.entries) == 3 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr(Manifest, "append", interrupt_once)
    assert bench.run(Invert, chunk=6).exit_code == 130
    bench.run(Invert)
    assert_whole(bench, 6)
    assert set(Counter(entry["source"] for entry in record(bench)).values()) == {1}


def test_a_photo_that_changes_or_vanishes_while_it_is_worked_on_fails(bench: Bench) -> None:
    for name in ("changes.png", "vanishes.png", "stays.png"):
        bench.photo(name)
    other = bench.photo("../other.png", (9, 9, 9))

    class Meddle(Invert):
        def run(self, pictures: Any) -> Any:
            # whole at once, as a careful program writes: half a picture would fail for being damaged
            other.replace(bench.photos / "changes.png")
            (bench.photos / "vanishes.png").unlink()
            return pictures

    summary = bench.run(Meddle, batch_size=3)  # so that all three have been read when the stage gets the first
    assert {Path(failure.source).name: failure.reason for failure in summary.failures} == {
        "changes.png": "changed while it was being worked on; run again",
        "vanishes.png": f"cannot be read again: {os.strerror(errno.ENOENT)}",
    }
    assert bench.files() == ["stays.png"]


@pytest.mark.skipif(os.name == "nt", reason="an open file stays where it is")
def test_a_photo_that_changes_or_vanishes_while_it_is_read_is_taken_as_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("changes.png", "vanishes.png"):
        bench.photo(name)
    decode = decoding.decode

    def meddled(file: Any, fmt: str) -> Any:
        if Path(file.name).name == "vanishes.png":
            Path(file.name).unlink()
        else:
            bench.photo("../other.png", (9, 9, 9)).replace(file.name)
        return decode(file, fmt)

    with monkeypatch.context() as patched:
        patched.setattr(decoding, "decode", meddled)
        assert bench.run(Invert).done == 2
    assert [tuple(bench.pixels(name)[0, 0]) for name in bench.files()] == [(245, 55, 225)] * 2
    assert bench.run(Invert).done == 1, "what is there now is another photo than the one that is recorded"
    assert tuple(bench.pixels("changes.png")[0, 0]) == (246, 246, 246)


def test_several_outputs_of_one_source_are_recorded_together(bench: Bench) -> None:
    bench.photo("x.png")
    bench.run(Multiply, Invert)
    (entry,) = record(bench)
    assert [output["path"] for output in entry["outputs"]] == ["x-1.png", "x-2.png"]
    (bench.out / "x-2.png").unlink()
    assert bench.run(Multiply, Invert).done == 1
    assert bench.files() == ["x-1.png", "x-2.png"]


def test_a_second_run_at_the_same_time_is_refused(bench: Bench) -> None:
    fill(bench, 3)
    bench.run(Invert)
    with Manifest(bench.out), pytest.raises(HenshinError, match="another run"):
        bench.run(Invert)

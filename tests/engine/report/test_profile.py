"""Where the time of a run went, and the trace of its threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, Invert, Same, Sample, SampleConfig

from henshin.cli.progress import profile_lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_profile_counts_reading_stages_and_writing_and_traces_all_threads(bench: Bench, workers: int) -> None:
    class Shared(Same):
        concurrent = True

    for number in range(6):
        bench.photo(f"{number}.png", (number, 20, 20))
    profile = bench.run(Shared, Invert, workers=workers, profile=True).profile
    assert profile is not None
    assert [(row.name, row.pictures, row.batch) for row in profile.rows] == [
        (name, 6, 1.0) for name in ("read", "same", "invert", "write")
    ]
    assert all(row.seconds > 0 and row.threads is None for row in profile.rows)
    assert profile.trace == str(bench.out / ".henshin" / "trace.json")
    events = json.loads(Path(profile.trace).read_text())["traceEvents"]
    rows = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    spans = [event for event in events if event["ph"] == "X"]
    assert {rows[event["tid"]].split()[0] for event in spans if event["name"] == "write"} == {"write"}
    assert {rows[event["tid"]].split()[0] for event in spans if event["name"] == "invert"} <= {"stages", "main"}
    assert sorted(event["args"]["picture"] for event in spans if event["name"] == "invert") == list("012345")
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in spans)
    lines = list(profile_lines(profile))
    assert lines[0].split() == ["stage", "pictures", "ms", "a", "picture", "share", "batch", "threads", "provider"]
    assert lines[3].split()[:2] == ["invert", "6"]


def test_without_the_option_there_is_neither(bench: Bench) -> None:
    bench.photo("a.png")
    assert bench.run(Invert).profile is None
    assert not (bench.out / ".henshin" / "trace.json").exists()


def test_a_source_has_a_row_and_a_single_output_file_no_trace(bench: Bench) -> None:
    profile = bench.run(Sample(SampleConfig(count=3)), Invert, inputs=[], profile=True).profile
    assert profile is not None
    assert [(row.name, row.pictures) for row in profile.rows] == [("sample", 3), ("invert", 3), ("write", 3)]
    photo = bench.photo("a.png")
    single: Any = bench.run(Invert, inputs=[photo], output=bench.folder / "b.png", profile=True).profile
    assert single.trace is None

"""Pictures at once, threads of networks, lists and bounds: what a run is planned with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, Invert, Same, Sample

from henshin.engine.options import Limits
from henshin.engine.preparation import schedule
from henshin.engine.preparation.schedule import Schedule, core_quota, make_schedule, usable_cores

MIB = 1 << 20


class Shared(Same):
    concurrent = True


class Together(Same):
    at_once = 8


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, none of them under a quota."""
    monkeypatch.setattr(schedule, "bound_cores", lambda: 8)
    monkeypatch.setattr(schedule, "core_quota", lambda: None)


def made(
    *stages: Any, is_gpu: bool = False, batch_size: int | None = None, pictures: Any = 100, **limits: Any
) -> Schedule:
    labelled = [(stage.name, stage(stage.Config())) for stage in stages]
    return make_schedule(labelled, is_gpu, Limits(**limits), batch_size, pictures)


@pytest.mark.parametrize(
    ("pictures", "workers", "threads"), [(100, 8, 1), (None, 8, 1), (3, 3, 2), (2, 2, 4), (1, 1, 0), (0, 1, 0)]
)
def test_the_cores_are_shared_among_the_pictures_at_once(pictures: int | None, workers: int, threads: int) -> None:
    found = made(Shared, pictures=pictures)
    assert (found.workers, found.threads, found.chunk) == (workers, threads, 1)
    assert found.stage_bytes == (1 + workers) * 128 * MIB


def test_stages_that_take_one_at_a_time_are_named_and_keep_all_cores() -> None:
    found = made(Shared, Invert, workers=4)
    assert (found.workers, found.threads, found.all_threads) == (4, 2, 0)
    assert found.note == "4 pictures at once, each network on 2 threads; one at a time in invert"
    assert made(Shared).note == "8 pictures at once, each network on 1 thread"
    alone = made(Invert, Sample)
    assert (alone.workers, alone.note) == (1, ""), "nothing would overlap"


def test_where_several_go_together_one_list_goes_at_a_time() -> None:
    for found in (made(Shared, Together), made(Shared, batch_size=4), made(Shared, chunk=8)):
        assert (found.workers, found.threads, found.chunk) == (1, 0, 8)
    gpu = made(Shared, is_gpu=True)
    assert (gpu.workers, gpu.threads, gpu.chunk, gpu.first) == (1, 0, 64, 4)
    assert made(Shared, batch_size=1).chunk == 1


def test_one_number_bounds_all_the_memory() -> None:
    found = made(Shared, memory=512 * MIB)
    assert (found.read_bytes, found.stage_bytes, found.write_bytes) == (128 * MIB, 256 * MIB, 128 * MIB)
    assert made(Shared, memory=512 * MIB, chunk_bytes=5).stage_bytes == 5


def test_a_quota_of_cores_counts_for_networks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "core_quota", lambda: 2.5)
    assert usable_cores() == 3
    found = made(Shared)
    assert (found.workers, found.threads, found.all_threads) == (3, 1, 3)
    assert made(Shared, pictures=1).threads == 3, "the runtime would take the eight"
    monkeypatch.setattr(schedule, "core_quota", lambda: 0.2)
    assert made(Shared).workers == 1


def test_the_least_quota_of_a_group_and_those_above_is_read(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/box\n")
    assert core_quota(tmp_path, own) is None
    (tmp_path / "pod" / "box").mkdir(parents=True)
    (tmp_path / "pod" / "box" / "cpu.max").write_text("max 100000\n")
    assert core_quota(tmp_path, own) is None
    (tmp_path / "pod" / "cpu.max").write_text("150000 100000\n")
    assert core_quota(tmp_path, own) == 1.5
    (tmp_path / "cpu.max").write_text("400000 100000\n")
    assert core_quota(tmp_path, own) == 1.5
    assert core_quota(tmp_path, tmp_path / "missing") == 4
    (tmp_path / "cpu.max").write_text("rubbish\n")
    assert core_quota(tmp_path, tmp_path / "missing") is None


def test_the_plan_and_the_run_say_how_many_go_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(3):
        bench.photo(f"{number}.png")
    planned = bench.plan(Shared)
    assert (planned.workers, planned.threads) == (3, 2)
    assert "3 pictures at once, each network on 2 threads" in planned.notes
    summary = bench.run(Shared)
    assert (summary.workers, summary.threads) == (3, 2)
    assert "3 pictures at once, each network on 2 threads" in bench.told.notes
    assert bench.run(Shared).workers == 3
    assert bench.told.notes == [], "there is nothing to do"

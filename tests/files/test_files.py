"""Whole writes: a file or folder is whole or absent, whatever ends the writer, and nothing half-written stays."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from henshin import files
from henshin.files import ABANDONED, PARTS, flush_to_disk, part_path, put_in_place, sweep, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def aged(path: Path, seconds: float) -> Path:
    """Give a file, or a folder and its files, a last write that long ago."""
    for one in (*(path.iterdir() if path.is_dir() else ()), path):
        os.utime(one, (time.time() - seconds,) * 2)
    return path


def test_a_file_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)  # a name as long as a file system allows
    with write_atomic(path) as part:
        assert part.parent == tmp_path
        assert part.match(PARTS)
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(tmp_path) == [path.name]


def test_a_newer_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with write_atomic(path) as part, part.open("xb") as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_another_whole(tmp_path: Path) -> None:
    path = tmp_path / "set"
    for content in ("one", "two"):
        with write_atomic(path) as part:
            part.mkdir()
            (part / content).write_text(content)
        assert names(path) == [content]
    assert names(tmp_path) == ["set"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("x"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("moment", ["before", "file", "folder"])
def test_an_error_inside_leaves_the_old_file_and_no_part(tmp_path: Path, error: BaseException, moment: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(part: Path) -> None:
        if moment == "file":
            part.write_text("half")
        elif moment == "folder":
            part.mkdir()
            (part / "half").write_text("half")
        raise error

    with pytest.raises(type(error)) as caught, write_atomic(path) as part:
        fail(part)
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_rename_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError), write_atomic(path) as part:
        part.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_atomic(tmp_path / "none" / "a.txt") as part:
        part.write_text("x")
    assert names(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_atomic(tmp_path / "a.txt"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_a_new_file(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "a.txt"
    before = os.umask(mask)
    try:
        for text in ("one", "two"):
            with write_atomic(path) as part:
                part.write_text(text)
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    finally:
        os.umask(before)


def test_of_several_writers_one_wins_and_readers_see_no_half(tmp_path: Path) -> None:
    path, size = tmp_path / "a.bin", 200_000
    path.write_bytes(bytes(size))
    seen: set[bytes] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            data = path.read_bytes()
            assert data == data[:1] * size
            seen.add(data[:1])

    def write(value: int) -> None:
        for _ in range(20):
            with write_atomic(path) as part, part.open("xb") as file:
                for _ in range(4):
                    file.write(bytes([value]) * (size // 4))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(value,)) for value in range(1, 5)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    reader.join()
    assert seen
    assert path.read_bytes()[:1] in {bytes([value]) for value in range(1, 5)}
    assert names(tmp_path) == ["a.bin"]


KILLED = """\
import os, signal, sys
from pathlib import Path
from henshin.files import write_atomic
with write_atomic(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_what_a_killed_writer_leaves_is_swept_once_it_is_abandoned(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (left,) = tmp_path.glob(PARTS)
    sweep(tmp_path)
    assert left.exists(), "another process may be writing it"
    aged(left, ABANDONED + 60)
    sweep(tmp_path)
    assert names(tmp_path) == ["a.txt"]


def test_whoever_is_alone_sweeps_all_parts_and_nothing_else(tmp_path: Path) -> None:
    part_path(tmp_path, "1").write_text("half")
    part_path(tmp_path).mkdir()
    part_path(tmp_path, "2").mkdir()
    (part_path(tmp_path, "2") / "inside").write_text("half")
    mine = ["a.part", ".other.part", ".henshin-notes", "henshin-1.part"]
    for name in mine:
        (tmp_path / name).write_text("mine")
        aged(tmp_path / name, 9 * ABANDONED)
    below = tmp_path / "below"
    below.mkdir()
    part_path(below, "3").write_text("half")
    sweep(tmp_path, idle=0)
    assert names(tmp_path) == sorted([*mine, "below"])
    assert names(below) == [".henshin-3.part"]


def test_a_folder_that_is_still_written_to_is_not_abandoned(tmp_path: Path) -> None:
    part = part_path(tmp_path)
    part.mkdir()
    (part / "grows").write_text("half")
    os.utime(part, (time.time() - 9 * ABANDONED,) * 2)
    sweep(tmp_path)
    assert part.is_dir()
    aged(part, 9 * ABANDONED)
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_sweeping_where_there_is_nothing_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(tmp_path / "none")
    left = part_path(tmp_path)
    left.write_text("half")

    def gone(_: Path) -> float:
        left.unlink()  # another process was faster
        raise FileNotFoundError

    monkeypatch.setattr(files, "_last_write", gone)
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_what_several_processes_write_is_put_in_place_by_one(tmp_path: Path) -> None:
    part, path = part_path(tmp_path, "000000007"), tmp_path / "000000007"
    assert part.name == ".henshin-000000007.part"
    part.mkdir()
    (part / "a").write_text("a")
    flush_to_disk(part / "a")
    put_in_place(part, path)
    flush_to_disk(tmp_path)
    assert (path / "a").read_text() == "a"
    assert names(tmp_path) == ["000000007"]

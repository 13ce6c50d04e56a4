"""Pipeline files: what is wrong with the text itself, and files that are made to do harm."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.pipeline import Loader, wrong

from henshin.config.yaml_reader import MAX_BYTES, load_yaml
from henshin.errors import PipelineError


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "p.yaml:1: the file is empty; 'key: value' lines are wanted"),
        (b"# nothing\n", "p.yaml:1: the file is empty; 'key: value' lines are wanted"),
        (b"- use: paint\n", "p.yaml:1: the file holds a list; 'key: value' lines are wanted"),
        (b"just words\n", "p.yaml:1: the file holds a text; 'key: value' lines are wanted"),
        (b"name: a\nx: \xff\n", "p.yaml:2: is not UTF-8 text; save it as UTF-8"),
        (b"name: a\nx: \x00\n", "p.yaml:2: holds a character that is not allowed in YAML"),
        (
            b"name: x\n",
            "p.yaml:1: stages: is missing; it must be given: The stages, each `use: NAME` with its options.",
        ),
        (b"stages:\n", "p.yaml:1: stages: has no value; a list is wanted"),
        (b"stages: []\n", "p.yaml:1: stages: [] has too few items; at least 1"),
        (b"stages: paint\n", "p.yaml:1: stages: is no list; write '- use: paint'"),
        (b"stages:\n- paint\n", "p.yaml:2: stage 1: write '- use: paint'"),
        (b"stages:\n- 3\n", "p.yaml:2: stage 1: 3 is not a stage; write '- use: NAME'"),
        (b"stages:\n-\n", "p.yaml:2: stage 1: nothing is not a stage; write '- use: NAME'"),
        (b"stages:\n- use: 3\n", "p.yaml:2: stage 1: 'use' takes the name of a stage, not 3"),
        (
            b"stages:\n- model: x\n",
            "p.yaml:2: stage 1 does not say which stage it is; write 'use: NAME'",
        ),
        (
            b"stages:\n- uses: paint\n",
            "p.yaml:2: stage 1 does not say which stage it is; write 'use: NAME' in place of 'uses'",
        ),
        (
            b"name: ../up\nstages: [{use: face_detect}]\n",
            "p.yaml:1: name: '../up' cannot name a file or folder; leave out / \\ : * ? \" < > | and a dot in front",
        ),
        (b"stages: [{use: face_detect}]\nstages: []\n", "p.yaml:2: the key 'stages' is here twice (first on line 1)"),
        (
            b"stages:\n- use: paint\n  model: anime\n  label: !!python/object/apply:os.system [x]\n",
            "p.yaml:4: the tag !!python/object/apply:os.system is not allowed; write the plain value",
        ),
        (b"stages: [{use: face_detect, ? [a] : b}]", "p.yaml:1: a key must be a word, not a list or a mapping"),
        (b"stages: &a [*a]\n", "p.yaml:1: an anchor holds an alias of itself"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(read: Loader, data: bytes, said: str) -> None:
    assert wrong(read, data) == [said]


def test_a_syntax_error_is_told_with_its_line(read: Loader) -> None:
    (line,) = wrong(read, "name: a\nstages:\n\t- use: paint\n")
    assert line.startswith("p.yaml:3: not valid YAML: ")
    assert "spaces, not tabs" in line
    (line,) = wrong(read, "stages: [\n")
    assert line.startswith("p.yaml:2: not valid YAML: ")
    (line,) = wrong(read, "stages: *nowhere\n")
    assert "found undefined alias" in line
    (line,) = wrong(read, "stages: []\n---\nstages: []\n")
    assert line.startswith("p.yaml:2: ")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        load_yaml(tmp_path / "nowhere.yaml")


def test_a_file_that_is_too_big_is_refused(read: Loader) -> None:
    assert wrong(read, "#" * (MAX_BYTES + 1)) == ["p.yaml: is larger than 1024 KiB"]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)


CHAIN = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 3000))


MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 40)
)


@pytest.mark.parametrize("text", [BOMB, CHAIN, MERGES, "[" * 500_000, "x: " + "[1, " * 200_000, "- " * 100_000])
def test_a_bomb_is_refused_soon(read: Loader, text: str) -> None:
    start = time.process_time()  # its own: how busy the machine is does not count
    (line,) = wrong(read, text)
    assert "more than" in line
    assert time.process_time() - start < 20


def test_a_byte_order_mark_and_windows_lines_are_fine(read: Loader) -> None:
    assert read(b"\xef\xbb\xbfname: x\r\nstages:\r\n- use: face_detect\r\n").name == "x"

"""The command line: what people and machines are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from support.cli import run
from support.paths import ROOT

from henshin.cli import main, run_pipeline


def test_without_a_command_the_help_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "\N{REPLACEMENT CHARACTER}" not in said.err
    lines = said.err.splitlines()
    assert lines[0].startswith("Usage: henshin")
    assert any(line.startswith("  run ") for line in lines)


def test_the_help_has_no_heading_for_arguments_and_ends_with_the_help_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_pipeline(["--help"]) == 0
    text = capsys.readouterr().out
    assert "\n  [PIPELINE]" not in text
    assert re.findall(r"^(\w[\w ]*):$", text, re.M)[-1] == "Other"
    assert "--version" in text.partition("\nOther:")[2]


@pytest.mark.parametrize("words", [["-q", "-v"], ["-v", "-q"], ["-qvv"]])
def test_quiet_and_verbose_exclude_each_other(
    words: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-i", "photos", *words) == 2
    assert "-q and -v exclude each other" in capsys.readouterr().err
    assert not Path("henshin-out").exists()


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    said = capsys.readouterr()
    assert said.err, "people are told too"
    found: dict[str, object] = json.loads(said.out)
    return found


def test_json_tells_every_problem_of_a_pipeline(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text("stages:\n  - use: negative\n    topp: 3\n  - use: genrator\n")
    assert run_pipeline(["wrong.yaml", "--plugin", "negative.py", "-i", "photos", "--json"]) == 2
    told = document(capsys)
    assert told["exit_code"] == 2
    assert told["error"] == "2 problems in wrong.yaml"
    first, second = told["problems"]  # type: ignore[misc]
    assert (first["where"], first["line"], first["missing"]) == ("wrong.yaml", 3, False)
    assert "did you mean 'top'?" in first["message"]
    assert second["line"] == 4


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["negative.yaml", "--plugin", "negative.py", "-i", "nowhere"], 2, "nowhere"),
        (["negative.yaml", "--nonsense"], 2, "--nonsense"),
        (["missing.yaml", "-i", "photos"], 3, "1 problem"),
    ],
)
def test_json_tells_what_was_in_the_way(
    words: list[str], code: int, part: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("missing.yaml").write_text("stages:\n  - use: generator\n    model: no-such-model\n")
    assert run_pipeline([*words, "--json"]) == code
    told = document(capsys)
    assert told["exit_code"] == code
    assert part in str(told["error"])


def test_json_tells_also_of_an_unforeseen_error(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def burst(*_: object) -> int:
        raise RuntimeError("the moon fell down")

    monkeypatch.setattr("henshin.cli.commands.run.execute", burst)
    assert run("-i", "photos", "--json") == 70
    assert document(capsys) == {"exit_code": 70, "error": "the moon fell down", "problems": []}


def test_files_that_are_no_pictures_are_counted_and_with_v_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos/notes.txt").write_text("no picture")
    Path("photos/list.csv").write_text("no, picture")
    assert run("-i", "photos", "-o", "out") == 0
    said = capsys.readouterr()
    assert "2 files that are no pictures passed over" in said.out
    assert "notes.txt" not in said.out + said.err
    assert run("-i", "photos", "-o", "out", "-v") == 0
    assert "photos/notes.txt" in capsys.readouterr().err


def test_copies_and_faces_are_counted_in_words(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("all.yaml").write_text("name: all\nstages:\n  - use: resize\n    size: 16\n")
    assert run_pipeline(["all.yaml", "-i", "photos", "-o", "one"]) == 0
    assert "3 done, all copied unchanged" in capsys.readouterr().out
    Image.new("RGB", (32, 24)).save("photos/d.png")
    assert run_pipeline(["all.yaml", "-i", "photos", "-o", "two"]) == 0
    assert "4 done, 3 of them copied unchanged" in capsys.readouterr().out


def test_a_device_is_told_of_only_where_a_network_runs(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("henshin.runtime.device.cuda_problem", lambda _: "there is none")
    Path("faces.yaml").write_text("name: faces\nstages:\n  - use: face_detect\n    second_pass: never\n")
    assert run("-i", "photos", "-o", "out") == 0
    assert run("-i", "photos", "-o", "out", "--dry-run") == 0
    said = capsys.readouterr()
    assert "no GPU is used" not in said.out + said.err
    assert run_pipeline(["faces.yaml", "-i", "photos", "-o", "faces", "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert plan.count("no GPU is used: there is none") == 1
    lines = plan.splitlines()
    assert [line.rpartition("/")[2] for line in lines if line.startswith("     network ")] == [
        "proposals.onnx",
        "rnet.onnx",
        "onet.onnx",
    ]
    assert run_pipeline(["faces.yaml", "-i", "photos", "-o", "faces"]) == 0
    said = capsys.readouterr()
    assert said.err.count("no GPU is used: there is none") == 1
    assert "0 faces found, 3 photos without a face" in said.out
    assert run_pipeline(["faces.yaml", "-i", "photos", "-o", "faces"]) == 0
    assert "no GPU" not in capsys.readouterr().err, "nothing is to do, so no network runs"
    assert run("-i", "photos", "-o", "gpu", "--require-gpu") == 3
    assert "a GPU is required, whatever the stages, and none can be used: there is none" in capsys.readouterr().err


def test_a_ready_pipelines_file_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["pipelines", "selfie2anime"]) == 0
    said = capsys.readouterr()
    assert said.out == (ROOT / "pipelines" / "selfie2anime.yaml").read_text(encoding="utf-8")
    assert "selfie2anime.yaml" in said.err
    assert main(["pipelines", "selfy2anime"]) == 2
    assert "did you mean 'selfie2anime'?" in capsys.readouterr().err


def test_models_have_headers_and_verify_says_when_there_are_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("henshin.models.store.data_folder", lambda _: place / "nothing")
    monkeypatch.setenv("HENSHIN_MODELS", str(place / "models"))
    assert main(["models", "verify"]) == 0
    assert "nothing to verify" in capsys.readouterr().err
    (place / "models").mkdir()
    (place / "models" / "mine.onnx").write_bytes(b"foreign")
    assert main(["models"]) == 0
    headers, line = capsys.readouterr().out.splitlines()
    assert headers.split() == ["NAME", "KIND", "FILE", "LICENCE"]
    assert line.startswith("mine ")
    for name in ("mine", "no-such-model"):
        assert main(["models", "show", name]) == 3
        assert main(["models", "verify", name]) == 3
        Path("model.yaml").write_text(f"stages:\n  - use: generator\n    model: {name}\n")
        assert run_pipeline(["model.yaml", "-i", "photos"]) == 3


def test_an_unknown_stage_far_from_all_others_may_be_a_plugins(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pipeline(["negative.yaml", "-i", "photos"]) == 2
    assert "--plugin FILE" in capsys.readouterr().err
    Path("near.yaml").write_text("stages:\n  - use: genrator\n")
    assert run_pipeline(["near.yaml", "-i", "photos"]) == 2
    assert "--plugin" not in capsys.readouterr().err


def test_none_is_told_to_be_null(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("none.yaml").write_text("stages:\n  - use: face_detect\n    maximum_faces: none\n    minimum_score: 2\n")
    assert main(["check", "none.yaml"]) == 2
    assert "maximum_faces: 'none' is not a whole number; for none write null" in capsys.readouterr().err
    assert main(["check", "none.yaml", "--set", "face_detect.maximum_faces=null"]) == 2
    assert "maximum_faces" not in capsys.readouterr().err

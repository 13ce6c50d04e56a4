"""Finding pipelines by path and by name, and their JSON schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from henshin.errors import HenshinError
from henshin.files import data_folder
from henshin.pipeline import find
from henshin.pipeline.schema import schema
from henshin.registry import Registry


def test_finding_a_path_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "selfie2anime").mkdir()
    packaged = data_folder("pipelines") / "selfie2anime.yaml"
    assert find("selfie2anime") == find("selfie2anime.yaml") == packaged
    (tmp_path / "selfie2anime.yaml").write_text("name: mine\n")
    assert find("selfie2anime.yaml") == Path("selfie2anime.yaml")
    assert find("selfie2anime") == packaged


def test_a_name_that_is_not_there_lists_the_packaged_ones() -> None:
    with pytest.raises(HenshinError, match=r"did you mean 'selfie2anime'.*selfie2anime-portrait") as caught:
        find("selfi2anime")
    assert caught.value.exit_code == 2
    for name in ("", ".", "../selfie2anime", "x" * 5000):
        with pytest.raises(HenshinError):
            find(name)


def test_packaged_files_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (data_folder("pipelines") / "selfie2anime.yaml").is_file()
    monkeypatch.setattr("henshin.files.PACKAGE", tmp_path)
    assert data_folder("exported") == tmp_path / "data" / "exported"


def test_the_schema_takes_what_the_loader_takes(registry: Registry) -> None:
    whole = schema(registry)
    json.dumps(whole)
    assert whole["required"] == ["stages"]
    assert whole["additionalProperties"] is False
    uses = {choice["$ref"].rpartition("/")[2] for choice in whole["properties"]["stages"]["items"]["oneOf"]}
    assert uses == set(registry.stages)
    align = whole["$defs"]["face_align"]
    assert align["properties"]["use"]["const"] == "face_align"
    assert align["properties"]["size"]["minimum"] == 16
    assert align["additionalProperties"] is False
    assert whole["$defs"]["paint"]["required"] == ["use", "model"]
    items = whole["$defs"]["paint"]["properties"]["boxes"]["items"]
    assert whole["$defs"][items["$ref"].rpartition("/")[2]]["required"] == ["width"]


def test_the_schema_is_checked_by_a_validator(registry: Registry) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema(registry))
    validator.check_schema(schema(registry))
    good = {"name": "x", "stages": [{"use": "face_align", "size": 64}, {"use": "paint", "model": "m"}]}
    assert validator.is_valid(good)
    for stages in ([{"use": "face_align", "sise": 3}], [{"use": "nobody"}], [{"use": "paint"}], []):
        assert not validator.is_valid({"stages": stages})

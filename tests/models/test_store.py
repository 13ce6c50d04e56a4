"""What a model says of itself, and how its name becomes a file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from onnx import helper
from support import onnx as tiny

from henshin.errors import HenshinError, MissingError
from henshin.files import hash_file, user_folder
from henshin.models import METADATA_KEY, Contract, ModelStore, read_contract
from henshin.models.catalogue import list_models
from henshin.models.download import pull
from henshin.models.onnx_metadata import input_types, read_metadata
from henshin.models.requirements import model_problem


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(local=tmp_path / "exported", user=tmp_path / "user", packaged=tmp_path / "packaged")


def listed(folder: Path, name: str, file: str, data: bytes, **more: Any) -> None:
    """Add an entry for these bytes to a folder's models.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "models.yaml"
    models = yaml.safe_load(path.read_text())["models"] if path.exists() else []
    entry = {"name": name, "file": file, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), **more}
    path.write_text(yaml.safe_dump({"models": [*models, entry]}))


# -- Contracts


def test_a_contract_survives_its_json() -> None:
    contract = Contract(name="x", reach=7, scale=4, value_range=(0.0, 1.0), latent_shape=(8, 2), config={"width": 32})
    again = Contract.from_json(contract.to_json())
    assert again == contract
    assert again.to_json() == contract.to_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "must be a JSON object, not list"),
        ('{"contract_version": 2, "shape": 3}', "of version 2, and this henshin understands 1"),
        ('{"reech": 3}', "no such field 'reech'; did you mean 'reach'"),
        ('{"size_multiple": 0}', "size_multiple: "),
        ('{"reach": -1}', "a reach in pixels is 0 or more"),
        ('{"value_range": [1, 0]}', "the first number must be below the second"),
    ],
)
def test_a_wrong_contract_is_told_in_one_line(text: str, said: str) -> None:
    with pytest.raises(HenshinError, match=r"^here: ") as caught:
        Contract.from_json(text, "here")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_is_what_onnx_reads(tmp_path: Path) -> None:
    path = tiny.box(tmp_path / "box.onnx")
    model = onnx.load(path)
    model.doc_string = "x" * 300
    helper.set_model_props(model, {"author": "变身", METADATA_KEY: Contract(name="é" * 200).to_json(), "empty": ""})
    onnx.save(model, path)
    assert read_metadata(path) == {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    contract = read_contract(path)
    assert contract is not None
    assert contract.name == "é" * 200


@pytest.mark.parametrize("keep", [0, 1, 40, -1, -30])
def test_a_file_cut_short_is_told(tmp_path: Path, keep: int) -> None:
    path = tiny.box(tmp_path / "box.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(HenshinError, match=r"box\.onnx: no sound ONNX file"):
        read_metadata(path)


@pytest.mark.parametrize("content", [b"hello world", b"\x00" * 40, b"\x7f" * 40, bytes(range(256)) * 9])
def test_what_is_no_onnx_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.onnx"
    path.write_bytes(content)
    with pytest.raises(HenshinError, match=r"odd\.onnx: no sound ONNX file"):
        read_contract(path)


@pytest.mark.parametrize("sidecar", ["foreign.onnx.henshin.json", "foreign.henshin.json"])
def test_a_foreign_file_is_described_beside_it(tmp_path: Path, store: ModelStore, sidecar: str) -> None:
    path = tiny.foreign_float(tmp_path / "foreign.onnx")
    assert read_contract(path) is None
    with pytest.raises(HenshinError, match=r"foreign\.onnx\.henshin\.json beside it"):
        store.find("foreign.onnx", tmp_path)
    (tmp_path / sidecar).write_text(json.dumps({"layout": "nchw_float", "value_range": [0, 1], "reach": 12}))
    found = store.find("foreign.onnx", tmp_path)
    assert found.contract.layout == "nchw_float"
    assert found.contract.name == found.name == "foreign"


@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        ({}, "'layout' is 'nhwc_uint8', but the network takes float: say \"layout\": \"nchw_float\""),
        ({"reach": 3, "value_range": [0, 1]}, "field 'layout'"),
    ],
)
def test_a_layout_that_is_not_the_networks_is_told_before_anything_runs(
    tmp_path: Path, store: ModelStore, sidecar: dict[str, Any], said: str
) -> None:
    path = tiny.foreign_float(tmp_path / "foreign.onnx")
    beside = tmp_path / "foreign.henshin.json"
    beside.write_text(json.dumps(sidecar))
    with pytest.raises(HenshinError, match=said) as caught:
        store.find("foreign.onnx", tmp_path)
    assert str(caught.value).startswith(str(beside))
    assert "\n" not in str(caught.value)
    assert said.split("'")[1] in str(model_problem(store, str(path)))
    beside.write_text(json.dumps({**sidecar, "layout": "nchw_float"}))
    assert model_problem(store, str(path)) is None


def test_a_layout_of_floats_is_wrong_for_a_network_of_bytes(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "bytes.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    (tmp_path / "bytes.henshin.json").write_text('{"layout": "nchw_float"}')
    with pytest.raises(HenshinError, match='takes uint8: say "layout": "nhwc_uint8"'):
        read_contract(path)
    (tmp_path / "bytes.henshin.json").write_text("{}")
    assert read_contract(path) is not None


def test_inputs_are_what_onnx_says_without_weights(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["pictures", "weight"], ["pictures_out"])]
    path = tiny.save(tmp_path / "old.onnx", nodes, [tiny.constant("weight", [1.0])], None, element=1)
    model = onnx.load(path)
    model.graph.input.insert(0, helper.make_tensor_value_info("weight", 1, [1]))  # as files before version 4 have it
    model.graph.input.append(helper.make_tensor_value_info("half", onnx.TensorProto.FLOAT16, ["n"]))
    onnx.save(model, path)
    assert input_types(path) == {"pictures": "float", "half": "float16"}


# -- Finding


def test_the_order_of_the_folders(store: ModelStore, tmp_path: Path) -> None:
    for folder, scale in (("packaged", 1), ("user", 2), ("exported", 3)):
        tiny.enlarge(tmp_path / folder / "m.onnx", max(scale, 1))
        assert store.find("m").path == tmp_path / folder / "m.onnx"
        assert store.find("m").contract.scale == scale


def test_a_path_is_relative_to_the_pipeline_and_else_to_where_we_are(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tiny.invert(tmp_path / "beside/m.onnx"), tiny.invert(tmp_path / "here/m.onnx")
    other = tiny.invert(tmp_path / "here/models/other.onnx")
    monkeypatch.chdir(tmp_path / "here")
    assert store.find("m.onnx", tmp_path / "beside").path == beside
    assert store.find("models/other.onnx", tmp_path / "beside").path == other
    assert store.find("m.onnx").path.resolve() == here
    assert store.find(str(here), tmp_path / "beside").path == here
    with pytest.raises(MissingError, match=r"there is no model file .*beside.* or .*here"):
        store.find("./absent.onnx", tmp_path / "beside")


def test_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path))
    assert user_folder() == tmp_path == ModelStore().user
    monkeypatch.delenv("HENSHIN_MODELS")
    assert user_folder().name == "models"


def test_a_missing_model_is_told_with_near_names(store: ModelStore, tmp_path: Path) -> None:
    tiny.invert(tmp_path / "user/selfie2anime.onnx")
    with pytest.raises(MissingError, match="no model named 'selfie2anme'; did you mean 'selfie2anime'"):
        store.find("selfie2anme")
    assert model_problem(store, "selfie2anime") is None
    assert "did you mean 'selfie2anime'" in str(model_problem(store, "selfie2anme"))


def test_a_model_that_can_be_had_is_told_with_the_command(store: ModelStore, tmp_path: Path) -> None:
    listed(tmp_path / "packaged", "far", "far.onnx", b"x", url="https://example.invalid/far.onnx")
    with pytest.raises(MissingError, match="henshin models pull far") as caught:
        store.file("far")
    assert caught.value.exit_code == 3


def test_the_smallest_of_a_multi_scale_model_that_suffices(store: ModelStore, tmp_path: Path) -> None:
    for scale in (2, 3, 4):
        tiny.enlarge(tmp_path / f"packaged/carn-m-x{scale}.onnx", scale)
    tiny.enlarge(tmp_path / "packaged/other-x2.onnx", 2)
    wanted = {None: 2, 1: 2, 1.5: 2, 2: 2, 2.01: 3, 3: 3, 3.5: 4, 9: 4}
    assert {scale: store.find("carn-m", scale=scale).contract.scale for scale in wanted} == wanted
    assert store.find("carn-m").name == "carn-m-x2"
    assert store.find("carn-m-x3", scale=2).contract.scale == 3
    assert store.scales("carn-m") == {2: "carn-m-x2", 3: "carn-m-x3", 4: "carn-m-x4"}
    assert store.scales("carn-m-x3") == {3: "carn-m-x3"}
    assert store.scales("carn") == {}
    assert model_problem(store, "carn-m") is None


def test_a_list_that_is_wrong_is_told_in_one_line(store: ModelStore, tmp_path: Path) -> None:
    listed(tmp_path / "user", "m", "../m.onnx", b"x", licens="MIT")
    with pytest.raises(HenshinError, match=r"user.models\.yaml: ") as caught:
        list_models(store)
    assert "models.0.file: cannot name a file or folder" in str(caught.value)
    assert "did you mean 'licence'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_list_of_models(store: ModelStore, tmp_path: Path) -> None:
    tiny.invert(tmp_path / "packaged/both.onnx")
    tiny.invert(tmp_path / "user/both.onnx")
    tiny.foreign_float(tmp_path / "user/mute.onnx")
    detector = tiny.foreign_float(tmp_path / "packaged/detector_v2.onnx").read_bytes()
    listed(tmp_path / "packaged", "detector", "detector_v2.onnx", detector, kind="detector")
    listed(tmp_path / "packaged", "far", "far.onnx", b"x", url="https://example.invalid/far.onnx")
    rows = {row.name: row for row in list_models(store)}
    assert list(rows) == ["both", "detector", "far", "mute"]
    assert (rows["both"].source, rows["both"].path) == ("user", tmp_path / "user/both.onnx")
    assert (rows["detector"].kind, rows["detector"].problem) == ("detector", None)
    assert (rows["far"].source, rows["far"].path) == ("download", None)
    assert "no contract" in (rows["mute"].problem or "")
    assert store.file("detector") == tmp_path / "packaged/detector_v2.onnx"


def test_a_listed_contract_describes_a_foreign_file(store: ModelStore, tmp_path: Path) -> None:
    data = tiny.foreign_float(tmp_path / "user/raw_v1.onnx").read_bytes()
    listed(tmp_path / "packaged", "raw", "raw_v1.onnx", data, contract={"layout": "nchw_float", "scale": 1})
    found = store.find("raw")
    assert (found.name, found.contract.name, found.contract.layout) == ("raw", "raw", "nchw_float")


# -- Pulling and verifying


def test_a_model_is_pulled_and_verified(store: ModelStore, tmp_path: Path) -> None:
    origin = tiny.invert(tmp_path / "web/m.onnx")
    listed(tmp_path / "packaged", "m", "m.onnx", origin.read_bytes(), url=origin.as_uri())
    seen: list[tuple[int, int]] = []
    path = pull(store, "m", progress=lambda done, whole: seen.append((done, whole)))
    assert path == tmp_path / "user/m.onnx"
    assert seen[-1] == (origin.stat().st_size, origin.stat().st_size)
    assert store.verify("m") == store.find("m").path == path
    assert hash_file(path) == hash_file(origin)
    stamp = path.stat().st_mtime_ns
    assert pull(store, "m") == path
    assert path.stat().st_mtime_ns == stamp
    assert [file.name for file in (tmp_path / "user").iterdir()] == ["m.onnx"]

    path.write_bytes(b"mine")
    with pytest.raises(HenshinError, match="its sha256 is"):
        store.verify("m")
    with pytest.raises(HenshinError, match="--force"):
        pull(store, "m")
    assert path.read_bytes() == b"mine"
    pull(store, "m", force=True)
    store.verify("m")


@pytest.mark.parametrize("came", [b"other", b"rightlonger", b"righ", b""])
def test_what_is_not_what_is_listed_is_not_kept(store: ModelStore, tmp_path: Path, came: bytes) -> None:
    origin = tmp_path / "m.onnx"
    origin.write_bytes(came)
    listed(tmp_path / "packaged", "m", "m.onnx", b"right", url=origin.as_uri())
    with pytest.raises(HenshinError, match="nothing was kept"):
        pull(store, "m")
    assert list((tmp_path / "user").iterdir()) == []


def test_without_network_pulling_fails_in_one_line(store: ModelStore, tmp_path: Path) -> None:
    listed(tmp_path / "packaged", "m", "m.onnx", b"x", url="http://127.0.0.1:9/m.onnx")
    listed(tmp_path / "packaged", "gone", "gone.onnx", b"x", url=(tmp_path / "gone.onnx").as_uri())
    for name in ("m", "gone"):
        with pytest.raises(MissingError, match=f"model '{name}': .* cannot be reached") as caught:
            pull(store, name)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(f"a copy that you have goes to {tmp_path / 'user' / f'{name}.onnx'}")
    with pytest.raises(MissingError, match="no model named 'n' can be downloaded"):
        pull(store, "n")


def test_the_packaged_list_is_sound_and_its_files_are_whole() -> None:
    store = ModelStore()
    assert store.entries["yunet"].kind == "detector"
    for name, entry in store.entries.items():
        if (store.folders["packaged"] / entry.file).is_file():
            store.verify(name)
        else:
            assert entry.url


def test_the_listed_detector_is_the_one_beside_the_checkout(shared_data: Path) -> None:
    weights = shared_data.parent / "weights/yunet_n_dynamic.onnx"
    if not weights.is_file():
        pytest.skip("its weights are not at hand")
    entry = ModelStore().entries["yunet"]
    assert (hash_file(weights), weights.stat().st_size) == (entry.sha256, entry.size)


def test_checking_a_model_loads_neither_numpy_nor_a_runtime(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "m.onnx")
    code = f"""
import sys
from henshin.models import ModelStore
from henshin.models.requirements import model_problem
assert model_problem(ModelStore(), {str(path)!r}) is None
print([name for name in ("numpy", "PIL", "onnxruntime", "onnx") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The page's HTTP API: jobs from photo to zip, what is refused, who is answered, and that nothing is left behind."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")
from fastapi.testclient import TestClient
from PIL import Image
from support import onnx as tiny

from henshin.cli.base import load_registry
from henshin.errors import HenshinError
from henshin.ui.app import Settings, create_app, offered
from henshin.ui.guard import Guard, hosts_of
from henshin.ui.jobs import Limits, shown_name

PLUGIN = '''
import threading
from henshin import Stage, StageConfig, hookimpl

GATE = threading.Event()

class Gated(Stage[StageConfig]):
    """Wait for a test."""
    name = "gated"
    def run(self, pictures):
        GATE.wait(20)
        return pictures

@hookimpl
def henshin_stages():
    return [Gated]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    tiny.invert(tmp_path / "turned.onnx", licence="CC0-1.0")
    Path("turn.yaml").write_text(
        "name: turn\ndescription: Light to dark.\nstages:\n  - use: generator\n    model: turned.onnx\n"
        "  - use: resize\n    width: 20\n    height: 20\n"
    )
    Path("gate.yaml").write_text("stages:\n  - use: gated\n")
    Path("plugin.py").write_text(PLUGIN)
    return tmp_path


HOST = "127.0.0.1:7860"


def client_of(*pipelines: str, token: str | None = None, **limits: Any) -> TestClient:
    registry = load_registry((Path("plugin.py"),))
    guard = Guard(hosts_of("127.0.0.1", 7860), token)
    app = create_app(Settings(pipelines, registry, "cpu", Limits(**limits), guard))
    return TestClient(app, base_url=f"http://{HOST}")


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with client_of("turn.yaml", "gate.yaml", "anime-faces") as made:
        yield made


def photo(colour: tuple[int, ...] = (10, 20, 30), fmt: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, fmt)
    return data.getvalue()


def new_job(client: TestClient, *photos: tuple[str, bytes]) -> str:
    job = str(client.post("/api/jobs").json()["id"])
    for name, data in photos:
        answer = client.put(f"/api/jobs/{job}/photos", params={"name": name}, content=data)
        assert answer.status_code == 201, answer.text
    return job


def events(client: TestClient, job: str) -> list[dict[str, Any]]:
    """Follow a job to its end."""
    with client.stream("GET", f"/api/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]


def test_photos_go_in_and_results_come_out(client: TestClient) -> None:
    job = new_job(client, ("anna.png", photo()), ("otto.jpg", photo((200, 200, 200), "JPEG")))
    options = {"resize": {"width": 24}}
    answer = client.post(f"/api/jobs/{job}/run", json={"pipeline": "turn", "options": options})
    assert answer.status_code == 202, answer.text
    told = events(client, job)
    assert [one["kind"] for one in told if one["kind"] != "note"] == [
        "waiting", "start", "picture", "picture", "summary", "end",
    ]  # fmt: skip
    pictures = [one for one in told if one["kind"] == "picture"]
    assert [(one["number"], one["status"], one["results"]) for one in pictures] == [
        (1, "done", ["0001.png"]),
        (2, "done", ["0002.jpg"]),
    ]
    assert told[-1] == {"kind": "end", "state": "done", "reason": None}
    result = client.get(f"/api/jobs/{job}/results/0001.png")
    drawn = np.asarray(Image.open(io.BytesIO(result.content)))
    assert drawn.shape == (18, 24, 3)
    assert (drawn == (245, 235, 225)).all()
    for path in ("photos/1", "shown/0001.png"):
        shown = client.get(f"/api/jobs/{job}/{path}")
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(shown.content)).format == "JPEG"
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{job}/zip").content))
    assert archive.namelist() == ["anna.png", "otto.jpg"]
    assert archive.read("anna.png") == result.content
    state = client.get(f"/api/jobs/{job}").json()
    assert (state["state"], [one["name"] for one in state["photos"]]) == ("done", ["anna.png", "otto.jpg"])
    assert state["events"] == told


def test_two_photos_of_one_name_both_come_out(client: TestClient) -> None:
    job = new_job(client, ("a.png", photo()), ("a.png", photo((0, 0, 0))))
    client.post(f"/api/jobs/{job}/run", json={"pipeline": "turn"})
    events(client, job)
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{job}/zip").content))
    assert archive.namelist() == ["a.png", "a (2).png"]


def test_a_client_s_names_are_never_paths(client: TestClient, folder: Path) -> None:
    before = {path for path in folder.rglob("*") if "tmp" not in path.parts}
    job = new_job(client, ("../../../evil.png", photo()), ("C:\\x\\\0b.png", photo()), ("/etc/passwd", photo()))
    names = [one["name"] for one in client.get(f"/api/jobs/{job}").json()["photos"]]
    assert names == ["evil.png", "b.png", "passwd"]
    assert {path for path in folder.rglob("*") if "tmp" not in path.parts} == before
    for name in ("../in/0001.png", "..%2Fin%2F0001.png", "0001.png/..", "nothing"):
        assert client.get(f"/api/jobs/{job}/results/{name}").status_code == 404
    assert shown_name("") == "photo"
    assert len(shown_name("x" * 500)) == 120


def test_what_is_no_photo_is_refused_with_the_reason(client: TestClient, folder: Path) -> None:
    job = new_job(client)
    refused = client.put(f"/api/jobs/{job}/photos", params={"name": "a.jpg"}, content=b"hello")
    assert (refused.status_code, refused.json()["error"]) == (415, "'a.jpg' is no picture that henshin reads")
    empty = client.put(f"/api/jobs/{job}/photos", params={"name": "a.jpg"}, content=b"")
    assert (empty.status_code, empty.json()["error"]) == (400, "the file is empty")
    assert list((folder / "tmp").rglob("*.part*")) == []
    run = client.post(f"/api/jobs/{job}/run", json={"pipeline": "turn"})
    assert (run.status_code, run.json()["error"]) == (400, "there are no photos yet")


def test_a_damaged_photo_fails_alone(client: TestClient) -> None:
    job = new_job(client, ("good.png", photo()), ("bad.png", photo(size=(400, 300))[:120]))
    client.post(f"/api/jobs/{job}/run", json={"pipeline": "turn"})
    pictures = [one for one in events(client, job) if one["kind"] == "picture"]
    assert [one["status"] for one in pictures] == ["done", "failed"]
    assert "damaged" in pictures[1]["reason"] or "truncated" in pictures[1]["reason"] or "read" in pictures[1]["reason"]


def test_large_and_transparent_photos_are_shown_small_and_on_white(client: TestClient) -> None:
    data = io.BytesIO()
    Image.new("RGBA", (2400, 1000), (10, 20, 30, 0)).save(data, "PNG")
    job = new_job(client, ("a.png", data.getvalue()))
    shown = Image.open(io.BytesIO(client.get(f"/api/jobs/{job}/photos/1").content))
    assert shown.size == (1600, 667)
    assert shown.getpixel((800, 300)) == (255, 255, 255)


def test_limits_of_size_and_number(folder: Path) -> None:
    with client_of("turn.yaml", photo_bytes=1000, photos=2, jobs=2) as client:
        job = new_job(client)
        large = client.put(f"/api/jobs/{job}/photos", content=b"x" * 1001)
        assert (large.status_code, large.json()["error"]) == (413, "a photo may have at most 0 MB")
        streamed = client.put(f"/api/jobs/{job}/photos", content=(b"x" * 300 for _ in range(5)))
        assert streamed.status_code == 413
        for _ in range(2):
            assert client.put(f"/api/jobs/{job}/photos", content=photo()).status_code == 201
        third = client.put(f"/api/jobs/{job}/photos", content=photo())
        assert (third.status_code, third.json()["error"]) == (413, "at most 2 photos in a job")
        new_job(client)
        full = client.post("/api/jobs")
        assert (full.status_code, full.json()["error"]) == (503, "2 jobs are kept already; try again later")
        assert client.delete(f"/api/jobs/{job}").status_code == 204
        assert client.post("/api/jobs").status_code == 201


def test_a_run_is_cancelled_and_another_waits_for_its_turn(client: TestClient) -> None:
    gate = client.app.state.page.settings.registry.plugins["plugin"].module.GATE  # type: ignore[attr-defined]
    first = new_job(client, *[(f"{n}.png", photo((n, n, n))) for n in range(9)])
    second = new_job(client, ("a.png", photo()))
    client.post(f"/api/jobs/{first}/run", json={"pipeline": "gate"})
    client.post(f"/api/jobs/{second}/run", json={"pipeline": "turn"})
    assert client.get(f"/api/jobs/{second}").json()["state"] == "waiting"
    twice = client.post(f"/api/jobs/{first}/run", json={"pipeline": "gate"})
    assert (twice.status_code, twice.json()["error"]) == (409, "the run has begun already")
    late = client.put(f"/api/jobs/{first}/photos", content=photo())
    assert (late.status_code, late.json()["error"]) == (409, "the run has begun; make a new job for other photos")
    client.post(f"/api/jobs/{first}/cancel")
    gate.set()
    ended = events(client, first)
    assert ended[-1]["state"] == "cancelled"
    assert sum(one["kind"] == "picture" for one in ended) < 9
    assert events(client, second)[-1]["state"] == "done"


def test_a_cancelled_job_that_waits_never_runs(client: TestClient) -> None:
    gate = client.app.state.page.settings.registry.plugins["plugin"].module.GATE  # type: ignore[attr-defined]
    first, second = (new_job(client, ("a.png", photo())) for _ in range(2))
    client.post(f"/api/jobs/{first}/run", json={"pipeline": "gate"})
    client.post(f"/api/jobs/{second}/run", json={"pipeline": "turn"})
    client.post(f"/api/jobs/{second}/cancel")
    gate.set()
    assert [one["kind"] for one in events(client, second)] == ["waiting", "end"]
    assert client.get(f"/api/jobs/{second}").json()["state"] == "cancelled"


def test_a_pipeline_that_makes_its_own_pictures_takes_no_photos(client: TestClient) -> None:
    form = client.get("/api/pipelines/anime-faces").json()
    assert not form["takes_photos"]
    job = new_job(client)
    options = {form["stages"][0]["label"]: {"count": 2}}
    client.post(f"/api/jobs/{job}/run", json={"pipeline": "anime-faces", "options": options})
    told = events(client, job)
    assert told[-1]["state"] == "done", told
    assert next(one for one in told if one["kind"] == "summary")["results"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"pipeline": "nothing"}, 404, "there is no pipeline 'nothing'"),
        ({"pipeline": "../turn.yaml"}, 404, "there is no pipeline"),
        ({"pipeline": "turn", "options": {"resize": {"width": -4}}}, 400, "resize.width"),
        ({"pipeline": "turn", "options": {"resize": {"colour": 1}}}, 400, "resize has no option 'colour'"),
        ({"pipeline": "turn", "options": {"paint": {"width": 1}}}, 400, "this pipeline has no stage 'paint'"),
        ({"pipeline": "turn", "options": {"generator": {"model": "/etc/passwd"}}}, 400, "'/etc/passwd' is none of"),
        ({}, 422, ""),
    ],
)
def test_wrong_requests_are_told_in_a_line(client: TestClient, body: Any, status: int, told: str) -> None:
    job = new_job(client, ("a.png", photo()))
    answer = client.post(f"/api/jobs/{job}/run", json=body)
    assert answer.status_code == status
    assert told in answer.json().get("error", "")
    assert client.get(f"/api/jobs/{job}").json()["state"] == "new"


def test_other_sites_and_names_are_refused(client: TestClient) -> None:
    for host in ("evil.example", "evil.example:7860", "127.0.0.1:80"):
        assert client.get("/", headers={"host": host}).status_code == 421
    assert client.get("/", headers={"host": "localhost:7860"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = client.post("/api/jobs", headers={"origin": origin})
        assert (answer.status_code, answer.json()["error"]) == (403, "requests of other sites are refused")
    assert client.post("/api/jobs", headers={"origin": f"http://{HOST}"}).status_code == 201


def test_the_page_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/static/app.js", "/api/pipelines", "/nothing"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
    text = "".join(path.read_text() for path in Path(create_app.__code__.co_filename).parent.glob("static/*"))
    assert "http://www.w3.org/2000/svg" in text
    assert text.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    assert client.get("/docs").status_code == 404


def test_a_token_is_wanted_where_others_can_connect(folder: Path) -> None:
    with client_of("turn.yaml", token="secret") as client:
        assert client.get("/").status_code == 401
        assert client.get("/api/pipelines", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/api/pipelines", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/?token=wrong").status_code == 401
        opened = client.get("/?token=secret", follow_redirects=False)
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        assert "HttpOnly" in opened.headers["set-cookie"]
        assert "SameSite=strict" in opened.headers["set-cookie"]
        assert client.get("/api/pipelines").status_code == 200, "by the cookie"


def test_jobs_of_others_cannot_be_guessed(client: TestClient) -> None:
    one, other = new_job(client), new_job(client)
    assert one != other
    assert len(one) >= 20
    assert client.get("/api/jobs/1").status_code == 404


def test_idle_jobs_are_removed_but_not_those_at_work(client: TestClient, folder: Path) -> None:
    jobs = client.app.state.page.jobs  # type: ignore[attr-defined]
    idle, fresh, at_work = (new_job(client, ("a.png", photo())) for _ in range(3))
    for name in (idle, at_work):
        jobs.get(name).touched -= 4000
    jobs.get(at_work).state = "running"
    jobs.get(at_work).touched -= 4000
    jobs.sweep()
    assert {path.parts[-3] for path in (folder / "tmp").rglob("0001.png")} == {fresh, at_work}
    gone = client.get(f"/api/jobs/{idle}")
    assert (gone.status_code, gone.json()["error"]) == (404, "there is no such job; it may have been removed")


def test_the_server_sweeps_by_itself(folder: Path) -> None:
    with client_of("turn.yaml", seconds=0.05) as client:
        client.post("/api/jobs")
        deadline = time.monotonic() + 20
        while list((folder / "tmp").glob("*/*")):
            assert time.monotonic() < deadline


def test_nothing_is_left_when_the_server_ends(folder: Path) -> None:
    with client_of("turn.yaml") as client:
        new_job(client, ("a.png", photo()))
        assert list((folder / "tmp").iterdir())
    assert list((folder / "tmp").iterdir()) == []


def test_examples_are_photos(client: TestClient) -> None:
    names = client.get("/api/examples").json()
    assert "astronaut.jpg" in names
    assert client.get(f"/api/examples/{names[0]}").headers["content-type"] == "image/jpeg"
    assert client.get("/api/examples/make.py").status_code == 404


def test_the_named_pipeline_is_offered_first(folder: Path) -> None:
    assert offered("turn.yaml")[:2] == ["turn.yaml", "selfie2anime"]
    assert offered(None)[0] == "selfie2anime"
    assert offered("compare")[1:].count("compare") == 0
    with pytest.raises(HenshinError, match="no such file"):
        offered("nothing")


def test_the_api_is_described(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    assert "/api/jobs/{job_id}/photos" in paths
    assert all(one.get("summary") for path in paths.values() for one in path.values())

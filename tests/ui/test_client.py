"""The example client of the documents, run against a server."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from PIL import Image
from support import onnx as tiny
from support.paths import ROOT

from henshin.cli.base import load_registry
from henshin.errors import HenshinError
from henshin.ui.app import Settings, create_app
from henshin.ui.guard import Guard, hosts_of
from henshin.ui.socket import bound_socket


def test_the_example_client_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    monkeypatch.chdir(tmp_path)
    tiny.invert(tmp_path / "turned.onnx")
    Path("turn.yaml").write_text("stages:\n  - use: generator\n    model: turned.onnx\n")
    Path("photos").mkdir()
    for number in range(3):
        Image.new("RGB", (30, 20), (number, 0, 0)).save(f"photos/{number}.jpg")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/page.md").read_text(), re.DOTALL)
    listener = bound_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = create_app(Settings(["turn.yaml"], load_registry(()), "cpu", guard=Guard(hosts_of("127.0.0.1", port), None)))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        exec(code.replace("http://127.0.0.1:7860", f"http://127.0.0.1:{port}").replace("selfie2anime", "turn"), {})
        assert sorted(path.name for path in Path().glob("*.jpg")) == ["0001.jpg", "0002.jpg", "0003.jpg"]
        assert app.state.page.jobs._jobs == {}
    finally:
        server.should_exit = True
        thread.join(20)


def test_a_taken_port_is_told_in_a_line() -> None:
    with bound_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(HenshinError, match=rf"cannot listen at 127\.0\.0\.1 port {port}: .*; say another"):
            bound_socket("127.0.0.1", port)
    with pytest.raises(HenshinError, match=r"cannot listen at no\.such\.host\.invalid"):
        bound_socket("no.such.host.invalid", 0)

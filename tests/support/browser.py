"""A real browser with the page of a gallery, from the disk, for tests behind the marker `slow`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from henshin.engine.record.manifest import Output, RecordEntry
from support.gallery import Recorded, picture, sha256

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

DESK, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}

WIDTH = "async (image) => { await image.decode(); return image.naturalWidth; }"


class Opened:
    """A page in a browser, with the addresses that it asked for and everything that went wrong on it."""

    def __init__(self, context: Any, page_file: Path) -> None:
        self.page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))
        self.page.goto(page_file.resolve().as_uri())

    def names(self) -> list[str]:
        return list(self.page.locator(".card .name").all_inner_texts())

    def at(self, box: str = ".card .slides") -> float:
        return float(self.page.locator(box).first.evaluate("e => parseFloat(e.style.getPropertyValue('--at'))"))

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.textContent || document.activeElement.ariaLabel"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def shown_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of 60 pictures in three folders, with every ending, odd names, and files of several sizes."""
    root = tmp_path_factory.mktemp("gallery")
    recorded = Recorded(root)
    for index in range(48):
        recorded.add(f"{'ab'[index % 2]}/{index:02}.jpg", faces=index % 3)
    for index in range(4):
        recorded.add(f"c/failed {index}.jpg", results=0, stage="generator", reason=f"reason <b>{index}</b>")
    for index in range(3):
        recorded.add(f"c/tiny {index}.jpg", results=0, status="skipped", stage="drop_tiny", reason="8 px, at least 64")
    for name in ('x"><img src=x onerror=alert(1)>.jpg', "#1 100% ?.jpg", "写真.jpg"):
        recorded.add(f"c/{name}", faces=1)
    recorded.add("c/three.jpg", results=3, faces=3)
    photo = picture(root / "photos" / "c" / "wide.jpg", 7, (1500, 900))
    result = picture(root / "out" / "c" / "wide.png", 99, (300, 600))
    output = Output("c/wide.png", result.stat().st_size, sha256(result))
    recorded.append(RecordEntry(str(photo), [output], "done", None, None, sha256(photo), "print", 1.5, faces=1))
    return recorded.make().page


@pytest.fixture
def opened(browser: Any, shown_gallery: Path) -> Iterator[Opened]:
    context = browser.new_context(viewport=DESK)
    opened = Opened(context, shown_gallery)
    yield opened
    context.close()
    assert opened.complaints == []
    assert all(address.startswith("file://") for address in opened.requests)

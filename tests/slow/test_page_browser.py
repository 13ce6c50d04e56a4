"""The page in a real browser: from photo to result by mouse and by keyboard, wrong files, cancelling, the camera."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import onnx as tiny
from support.browser import BROWSER, NEEDS_BROWSER, PHONE

pytest.importorskip("fastapi")
pytestmark = [pytest.mark.slow, NEEDS_BROWSER]

PLUGIN = '''
import time
from henshin import Stage, StageConfig, hookimpl

class Slow(Stage[StageConfig]):
    """Take a while."""
    name = "slow"
    def run(self, pictures):
        time.sleep(0.4)
        return pictures

@hookimpl
def henshin_stages():
    return [Slow]
'''


@contextmanager
def served(folder: Path, pipeline: str) -> Iterator[str]:
    """Serve a page, and yield its address."""
    tiny.invert(folder / "turned.onnx", licence="CC0-1.0")
    stages = "stages:\n  - use: generator\n    model: turned.onnx\n"
    (folder / "turn.yaml").write_text(f"description: Light to dark.\n{stages}")
    (folder / "slow.yaml").write_text("stages:\n  - use: slow\n")
    (folder / "plugin.py").write_text(PLUGIN)
    words = ["ui", pipeline, "--port", "0", "--no-browser", "--plugin", "plugin.py", "--photo-size", "20M"]
    command = [sys.executable, "-c", "from henshin.cli import main; raise SystemExit(main())", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.terminate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that turns light to dark."""
    with served(tmp_path_factory.mktemp("page"), "turn.yaml") as address:
        yield address


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for name, shade in (("light.png", 240), ("dark.jpg", 20), ("wide.webp", 100)):
        Image.new("RGB", (300, 200), (shade, shade, shade)).save(tmp_path / name)
        paths.append(tmp_path / name)
    return paths


class Visit:
    """A page that is open, with all that it asked for."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.asked: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda told: self.errors.append(told.text) if "Content Security" in told.text else None)
        page.goto(address)
        page.locator("#examples img").first.wait_for()

    def run(self, *paths: Path) -> None:
        self.page.set_input_files("#files", paths)
        self.page.click("#run")
        self.page.locator("#status", has_text="Done").wait_for(timeout=30_000)


@pytest.fixture
def visit(browser: Any, server: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1000, "height": 900}, accept_downloads=True)
    made = Visit(context.new_page(), server)
    yield made
    assert made.errors == []
    assert all(url.startswith((made.address, "blob:")) for url in made.asked), "no request leaves this machine"
    context.close()


def test_photos_become_results_with_a_slider_and_a_zip(visit: Visit, photos: list[Path], tmp_path: Path) -> None:
    visit.run(*photos)
    sliders = visit.page.locator("before-after")
    assert sliders.count() == 3
    first = sliders.first
    visit.page.locator("before-after img").last.wait_for()
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    assert box["width"] > 250
    middle = box["y"] + box["height"] / 3
    visit.page.mouse.move(box["x"] + box["width"] / 2, middle)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    visit.page.mouse.up()
    assert first.get_attribute("aria-valuenow") == "25"
    shown = tmp_path / "shown.png"
    first.screenshot(path=shown)
    pixels = np.asarray(Image.open(shown).convert("L"))
    assert abs(int(pixels[20, int(0.1 * pixels.shape[1])]) - 240) < 6, "the photo to the left"
    assert abs(int(pixels[20, int(0.6 * pixels.shape[1])]) - 15) < 6, "the result to the right"
    with visit.page.expect_download() as download:
        visit.page.click("#zip")
    archive = zipfile.ZipFile(download.value.path())
    assert archive.namelist() == ["light.png", "dark.jpg", "wide.webp"]


def test_all_of_it_by_keyboard(visit: Visit, photos: list[Path]) -> None:
    visit.page.locator("#examples button").first.focus()
    visit.page.keyboard.press("Enter")
    visit.page.locator("#photos li").first.wait_for()
    visit.page.locator("#run").focus()
    visit.page.keyboard.press("Space")
    visit.page.locator("#status", has_text="Done").wait_for(timeout=30_000)
    slider = visit.page.get_by_role("slider", name="Share of the photo shown of astronaut.jpg")
    slider.focus()
    for key in ("ArrowLeft", "PageDown", "ArrowRight"):
        visit.page.keyboard.press(key)
    assert slider.get_attribute("aria-valuenow") == "40"
    visit.page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "100 % photo"


def test_files_that_are_no_photos_say_so_and_the_others_go_on(visit: Visit, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 << 20))
    visit.run(tmp_path / "text.jpg", tmp_path / "huge.png", photos[0])
    wrong = visit.page.locator("#photos .wrong").all_inner_texts()
    assert wrong == ["text.jpg: 'text.jpg' is no picture that henshin reads", "huge.png: larger than 20 MB"]
    assert visit.page.locator("before-after").count() == 1


def test_a_run_without_photos_is_refused_in_a_line(visit: Visit) -> None:
    visit.page.click("#run")
    visit.page.locator("#error", has_text="there are no photos yet").wait_for()
    assert visit.page.locator("#run").is_enabled()


def test_options_are_sent_and_wrong_ones_told(visit: Visit, photos: list[Path]) -> None:
    visit.page.click("#options-box summary")
    strength = visit.page.locator("input[id='generator.strength']")
    strength.fill("0.5")
    visit.run(photos[0])
    result = visit.page.locator("before-after img").first
    data = visit.page.request.get(visit.address.rstrip("/") + result.get_attribute("src")).body()
    path = photos[0].with_name("result.jpg")
    path.write_bytes(data)
    assert abs(int(np.asarray(Image.open(path).convert("L"))[50, 50]) - 128) <= 3
    visit.page.locator("input[id='generator.size']").fill("7")
    visit.page.locator("input[id='generator.size']").blur()
    visit.page.click("#run")
    visit.page.locator("#error", has_text="generator.size").wait_for()


def test_a_run_is_cancelled(browser: Any, tmp_path: Path) -> None:
    paths = []
    for number in range(30):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (40, 30), (number, 0, 0)).save(paths[-1])
    with served(tmp_path, "slow.yaml") as address:
        context = browser.new_context()
        page = Visit(context.new_page(), address).page
        page.set_input_files("#files", paths)
        page.click("#run")
        page.locator("before-after").first.wait_for(timeout=30_000)
        page.click("#cancel")
        page.locator("#status", has_text="Cancelled").wait_for(timeout=30_000)
        assert 0 < page.locator("before-after").count() < 30
        assert page.locator("#zip").is_visible()
        context.close()


def test_the_camera_gives_a_photo_and_its_absence_is_told(browser: Any, visit: Visit) -> None:
    visit.page.click("#webcam")
    visit.page.locator("#error", has_text="No picture from a camera").wait_for(timeout=10_000)
    faked = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with_camera = browser.browser_type.launch(executable_path=BROWSER, args=faked)
    page = Visit(with_camera.new_page(), visit.address).page
    page.click("#webcam")
    page.locator("#camera[open]").wait_for(timeout=10_000)
    page.wait_for_timeout(500)  # until the camera shows something
    page.click("#snap")
    page.locator("#photos li", has_text="camera-1.jpg").wait_for(timeout=10_000)
    with_camera.close()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser: Any, server: str, photos: list[Path]) -> None:
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    made = Visit(context.new_page(), server)
    made.run(photos[2])
    made.page.click("#options-box summary")
    size = context.new_cdp_session(made.page).send("Page.getLayoutMetrics")["cssContentSize"]
    assert size["width"] <= PHONE["width"]
    context.close()

"""The gallery in a real browser: contrast, structure, no JavaScript, sent away, with ten thousand pictures."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from support.browser import DESK, NEEDS_BROWSER, PHONE, WIDTH, Opened
from support.gallery import fake, picture

from henshin.gallery.page import pages

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [red, green, blue] = rgb(colour).map((value) => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return 'white';
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    if (element.closest('script, noscript, .tag, [aria-disabled=true]')) continue;
    const both = [light(getComputedStyle(element).color), light(ground(element))].sort((one, other) => other - one);
    const ratio = (both[0] + 0.05) / (both[1] + 0.05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def test_the_structure_is_one_that_screen_readers_read(opened: Opened) -> None:
    tree = opened.page.locator("body").aria_snapshot()
    parts = (
        "heading",
        'group "Show"',
        'radio "All 60"',
        'searchbox "Name"',
        'combobox "Folder"',
        'list "Pictures"',
        "status",
        'slider "Before and after of a/00.jpg"',
    )
    for words in parts:
        assert words in tree, words
    assert opened.page.evaluate("[...document.images].every((image) => image.alt)")
    assert opened.page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_all_text_has_contrast_and_nothing_runs_over(browser: Any, shown_gallery: Path, scheme: str, size: Any) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme)
    opened = Opened(context, shown_gallery)
    for summary in opened.page.locator(".details > details > summary").all():
        summary.click()
    assert opened.page.evaluate(CONTRAST) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    opened.page.get_by_label("Failed 4").check()
    assert opened.page.evaluate(CONTRAST) == []
    opened.page.locator(".card .name").first.click()
    assert opened.page.evaluate(CONTRAST) == []
    assert opened.complaints == []
    context.close()


def test_without_javascript_plain_pictures_are_there(browser: Any, shown_gallery: Path) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    opened = Opened(context, shown_gallery)
    assert opened.page.locator(".plain > li").count() == 60
    assert opened.page.locator(".plain img").first.is_visible()
    assert not opened.page.locator("#tools").is_visible()
    assert not [one for one in opened.complaints if "failed" in one]
    context.close()


def test_a_gallery_that_was_sent_away_shows_everything(browser: Any, shown_gallery: Path, tmp_path: Path) -> None:
    shutil.copytree(shown_gallery.parent, tmp_path / "sent")
    context = browser.new_context(viewport=DESK)
    opened = Opened(context, tmp_path / "sent" / "index.html")
    opened.page.get_by_label("Name").fill("wide")
    opened.page.locator(".card .name").first.click()
    assert opened.page.locator("#stage img.before").evaluate(WIDTH) == 1024
    opened.page.get_by_role("button", name="Full size").click()
    opened.page.wait_for_function(
        "[...document.querySelectorAll('#stage img')].every((image) => image.naturalWidth > 0)"
    )
    assert "files/" in (opened.page.locator("#stage img.before").get_attribute("src") or ""), "the large copy stands in"
    context.close()


def test_ten_thousand_pictures_stay_smooth(browser: Any, tmp_path: Path) -> None:
    record, store = fake(10_000)
    for name, text in pages(record, store):
        (tmp_path / name).write_text(text)
    for group in range(256):
        (tmp_path / "files" / f"{group:02x}").mkdir(parents=True)
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.route("**/*.jpg", lambda route: route.fulfill(path=picture(tmp_path / "one.jpg")))
    start = time.perf_counter()
    page.goto((tmp_path / "index.html").as_uri(), wait_until="domcontentloaded")
    page.locator(".card").first.wait_for()
    assert time.perf_counter() - start < 5
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    assert page.locator("#count").inner_text() == "10,000 pictures"
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".card[aria-posinset='10000']").wait_for()
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    seconds = page.evaluate(
        """() => { const start = performance.now(); const words = document.getElementById('words');
        words.value = '9999'; words.dispatchEvent(new Event('input')); return (performance.now() - start) / 1000; }"""
    )
    assert seconds < 1
    assert page.locator("#count").inner_text() == "1 of 10,000 pictures"
    context.close()

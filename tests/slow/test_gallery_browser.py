"""The gallery in a real browser: by mouse, keyboard and touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import DESK, NEEDS_BROWSER, PHONE, WIDTH, Opened

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]


def test_the_mouse_drags_a_slider(opened: Opened) -> None:
    box = opened.page.locator(".card .slides").first
    area = box.bounding_box()
    middle = area["y"] + area["height"] / 2
    assert opened.at() == 50
    opened.page.mouse.move(area["x"] + area["width"] / 2, middle)
    opened.page.mouse.down()
    opened.page.mouse.move(area["x"] + area["width"] * 0.2, middle, steps=5)
    assert opened.at() == pytest.approx(20, abs=1)
    opened.page.mouse.move(area["x"] - 500, middle)
    opened.page.mouse.up()
    assert opened.at() == 0
    opened.page.mouse.move(area["x"] + area["width"] * 0.7, middle)
    assert opened.at() == 0, "a released slider stays"
    assert box.locator("input").evaluate("e => document.activeElement === e")


def test_the_pixels_follow_the_slider(opened: Opened, tmp_path: Path) -> None:
    box = opened.page.locator(".card .slides").first
    shades = []
    for value in (0, 100):
        box.locator("input").evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value
        )
        box.screenshot(path=tmp_path / "shot.png")
        image = Image.open(tmp_path / "shot.png").convert("L")
        shades.append(image.getpixel((image.width // 2, image.height // 2)))
    assert shades[0] > shades[1] + 30, "all after is lighter than all before in these pictures"


def test_the_keyboard_moves_a_slider_and_tells_where_it_is(opened: Opened) -> None:
    slider = opened.page.get_by_role("slider").first
    slider.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):
        opened.page.keyboard.press(key)
    assert opened.at() == 49
    assert slider.get_attribute("aria-valuetext") == "49 % before, 51 % after"
    assert (slider.get_attribute("aria-label") or "").startswith("Before and after of ")
    opened.page.keyboard.press("Home")
    assert opened.at() == 0
    opened.page.keyboard.press("End")
    assert opened.at() == 100


def test_a_finger_moves_a_slider_sideways_and_scrolls_the_page_otherwise(browser: Any, shown_gallery: Path) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    opened = Opened(context, shown_gallery)
    area = opened.page.locator(".card .slides").first.bounding_box()
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    session = context.new_cdp_session(opened.page)

    def drag(dx: float, dy: float) -> None:
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in range(1, 11):
            point = {"x": x + dx * part / 10, "y": y + dy * part / 10}
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        opened.page.wait_for_timeout(200)

    drag(0.3 * area["width"], 0)
    assert opened.at() == pytest.approx(80, abs=2)
    drag(0, -200)
    assert opened.at() == pytest.approx(80, abs=2)
    assert opened.page.evaluate("scrollY") > 50
    opened.page.evaluate("scrollTo(0, 0)")
    opened.page.locator(".card .slides").first.tap(position={"x": 0.1 * area["width"], "y": 5})
    assert opened.at() == pytest.approx(10, abs=2)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert opened.complaints == []
    context.close()


def test_filters_show_what_they_say(opened: Opened) -> None:
    page = opened.page
    for label, number in (
        ("Failed 4", 4),
        ("Left out 3", 3),
        ("No face 16", 16),
        ("Several faces 17", 17),
        ("All 60", 60),
    ):
        page.get_by_label(label, exact=True).check()
        assert page.locator("#count").inner_text() == ("60 pictures" if number == 60 else f"{number} of 60 pictures")
        assert page.locator(".card").first.get_attribute("aria-setsize") == str(number)
    page.get_by_label("Failed 4").check()
    assert opened.names() == [f"failed {index}.jpg" for index in range(4)]
    assert "failed: generator: reason <b>0</b>" in page.locator(".card").first.inner_text()
    page.get_by_label("Folder").select_option("a/")
    assert page.locator("#none").is_visible()
    page.get_by_text("Show all pictures").click()
    assert page.locator("#count").inner_text() == "60 pictures"
    page.get_by_label("Folder").select_option("c/")
    assert page.locator("#count").inner_text() == "12 of 60 pictures"


def test_filters_go_by_keyboard(opened: Opened) -> None:
    opened.page.get_by_label("All 60").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.locator("#count").inner_text() == "4 of 60 pictures"


def test_search_finds_parts_of_names_in_any_case(opened: Opened) -> None:
    words = opened.page.get_by_label("Name")
    for text, names in (
        ("写真", ["写真.jpg"]),
        ("#1 100%", ["#1 100% ?.jpg"]),
        ("FAILED 2", ["failed 2.jpg"]),
        ("a/0 2", ["02.jpg"]),
        ("nothing like it", []),
    ):
        words.fill(text)
        assert opened.names() == names
    words.fill("")
    assert opened.page.locator("#count").inner_text() == "60 pictures"


def test_one_picture_by_keyboard_alone(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="02.jpg").focus()
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    assert page.locator("#viewer-name").inner_text() == "a/02.jpg"
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-name").inner_text() == "a/04.jpg"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-name").inner_text() == "a/00.jpg"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#viewer-place").inner_text() == "1 of 60 pictures"
    assert page.get_by_role("button", name="Previous").get_attribute("aria-disabled") == "true"
    page.locator("#stage input").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-name").inner_text() == "a/00.jpg", "on the slider arrows move the slider"
    assert opened.at("#stage .slides") == 51
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert opened.focused() == "00.jpg"
    assert opened.at() == 51, "the card shows the same"


def test_focus_stays_in_the_dialog_and_comes_back_where_one_has_gone(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="02.jpg").click()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('#viewer') || document.activeElement === document.body")
    page.locator("#viewer-name").focus()
    for _ in range(58):
        page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-place").inner_text() == "60 of 60 pictures"
    page.get_by_label("Close").click()
    assert opened.focused() == page.locator(".card .name").last.inner_text()
    assert page.locator(".card .name").last.bounding_box()["y"] < DESK["height"]


def test_several_results_and_full_size(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Name").fill("three")
    page.get_by_role("button", name="three.jpg").click()
    assert page.get_by_label("Result").locator("option").all_inner_texts() == [
        "1 of 3: three.png", "2 of 3: three-1.png", "3 of 3: three-2.png",
    ]  # fmt: skip
    first = page.locator("#stage img.after").get_attribute("src")
    page.get_by_label("Result").select_option("2")
    assert page.locator("#stage img.after").get_attribute("src") != first
    page.keyboard.press("Escape")
    page.get_by_label("Name").fill("wide")
    page.get_by_role("button", name="wide.jpg").click()
    assert "1500 × 900 → 300 × 600" in page.locator("#facts").inner_text()
    page.get_by_role("button", name="Full size").click()
    assert page.locator("#stage img.before").evaluate(WIDTH) == 1500
    assert page.locator("#stage .pair").bounding_box()["width"] == 1500
    hrefs = [link.get_attribute("href") for link in page.locator("#facts a").all()]
    assert hrefs == ["../../photos/c/wide.jpg", "../c/wide.png"]


def test_links_to_files_with_odd_names_lead_to_them(opened: Opened) -> None:
    for name in ("#1 100% ?.jpg", "写真.jpg", "onerror"):
        opened.page.get_by_label("Name").fill(name)
        opened.page.locator(".card .name").first.click()
        opened.page.get_by_role("button", name="Full size").click()
        for image in opened.page.locator("#stage img").all():
            assert image.evaluate(WIDTH) in (40, 41)
            assert "files/" not in (image.get_attribute("src") or "")
        opened.page.keyboard.press("Escape")


def test_focus_is_kept_while_its_card_is_scrolled_out_of_sight(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="02.jpg").focus()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(200)
    assert opened.focused() == "02.jpg"
    page.keyboard.press("Tab")
    page.wait_for_timeout(200)
    assert "a/04.jpg" in opened.focused()

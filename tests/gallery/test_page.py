"""The page of a gallery: what it says, that nothing in a name can break it, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.engine import Bench, DropDark, Faces, Invert, NoRed
from support.gallery import Recorded, data_of, fake

from henshin.engine.record.run_log import LoggedRun, RunDescription, RunOutcome, UsedModel, UsedStage
from henshin.gallery import Gallery, GalleryOptions
from henshin.gallery.overview import details, facts, notice
from henshin.gallery.page import pages

ODD_NAMES = [
    "</script><script>alert(1)</script>.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
    "<!--.jpg",
    "a & b 'c' #1 100% ?x.jpg",
    "写真 ä é \u2028 .jpg",
]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and all of its text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found[-1:] and self.found[-1][0] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_nothing_in_a_name_or_a_reason_can_break_the_page(recorded: Recorded) -> None:
    names = [name.replace("/", "\N{DIVISION SLASH}") for name in ODD_NAMES]
    for name in names:
        recorded.add(name, reason=f"because of {name}", status="failed", stage=name)
    recorded.add("a</script>/b.jpg")
    page = recorded.make().page
    text = page.read_text()
    assert sorted(item["n"] for item in data_of(page) if "/" not in item["n"]) == sorted(names)
    assert {item["r"] for item in data_of(page) if "r" in item} == {f"because of {name}" for name in names}
    elements = Elements(text)
    assert len(elements.all("script")) == 2
    assert text.count("</script") == 2
    assert not any(attribute.startswith("on") for _, attributes in elements.found for attribute in attributes)
    assert all((image["src"] or "").startswith("files/") for image in elements.all("img"))
    assert "alert(1)" in elements.text, "as text it is there"


def test_no_other_host_is_named_and_the_policy_allows_only_what_is_on_the_page(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    text = recorded.make().page.read_text()
    assert "http://" not in text
    assert "https://" not in text
    elements = Elements(text)
    (policy,) = [one["content"] for one in elements.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "'self' file:"
    assert "unsafe" not in policy
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    assert not any("style" in attributes for _, attributes in elements.found)
    assert not elements.all("link")


def test_without_javascript_every_picture_is_there(recorded: Recorded) -> None:
    recorded.add("a.jpg", faces=2)
    recorded.add("b.jpg", results=2, faces=0)
    recorded.add("c.jpg", results=0, reason="cut off", stage="read")
    text = recorded.make().page.read_text()
    (plain,) = re.findall(r"<noscript>(.*?)</noscript>", text, re.S)
    elements = Elements(plain)
    assert len(elements.all("img")) == 6
    assert all(image["alt"] and image["loading"] == "lazy" for image in elements.all("img"))
    for words in ("a.jpg", "2 faces, 0.25 s", "no face, 2 results", "failed: read: cut off", "before", "after"):
        assert words in elements.text
    outside = text.replace(plain, "")
    assert "<li>1 failed</li>" in outside


def test_what_stages_said_of_a_picture_stands_with_it(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.add("a.jpg", remarks=("assess: score 0.31: <dark>",))
    recorded.add("b.jpg")
    made = recorded.make()
    assert [one.get("m") for one in data_of(made.page)] == [["assess: score 0.31: <dark>"], None]
    assert "0.25 s, assess: score 0.31: &lt;dark&gt;" in made.page.read_text()


def test_many_pictures_have_several_plain_pages_that_lead_to_each_other(recorded: Recorded) -> None:
    record, store = fake(450)
    written = dict(pages(record, store))
    assert list(written) == ["index.html", "plain-2.html", "plain-3.html"]
    links = {link["href"] for link in Elements(written["plain-2.html"]).all("a")}
    assert {"index.html", "plain-3.html"} <= links
    assert len(Elements(written["plain-3.html"]).all("img")) == 2 * 50
    assert not Elements(written["plain-2.html"]).all("script")


def test_what_the_page_says_of_a_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.photo("good.png")
    bench.photo("red.png", (255, 0, 0))
    bench.photo("sub/dark.png", (3, 3, 3))
    bench.run(Faces, DropDark, NoRed)
    page = Gallery(bench.out, GalleryOptions()).make().page
    text = Elements(page.read_text()).text
    for words in ("3 pictures", "1 done", "1 failed", "1 left out", "faces found", "red hurts", "no_red", "on cpu"):
        assert words in text
    found = {item["n"]: item for item in data_of(page)}
    assert found["good.png"]["f"] == 2
    assert (found["red.png"]["s"], found["red.png"]["g"]) == ("failed", "no_red")
    assert (found["sub/dark.png"]["s"], found["sub/dark.png"]["r"]) == ("skipped", "left out by drop_dark")
    assert found["good.png"]["b"]["u"] == "../../photos/good.png"
    assert found["good.png"]["a"][0]["u"] == "../good.png"


def test_results_of_two_pipelines_say_which(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.photo("a.png")
    bench.run(Invert)
    bench.photo("b.png", (1, 2, 3))
    bench.run(Faces, inputs=[bench.photos / "b.png"])
    found = data_of(Gallery(bench.out, GalleryOptions()).make().page)
    assert [item["p"] for item in found] == ["test", "test"]


RUN = RunDescription(
    "print", "<b>draw</b>", "All & more.", "1.0", "cpu", 9,
    (UsedStage("generator", {"model": "<i>", "size": 3}),),
    (UsedModel("m", "ab" * 32, "CC0", "trained; {\"x\": 1}", "photos"), UsedModel("det.onnx", "cd" * 32)),
)  # fmt: skip


def test_ten_thousand_pictures_are_a_page_of_a_few_megabytes_made_in_seconds() -> None:
    record, store = fake(10_000)
    start = time.perf_counter()
    written = dict(pages(record, store))
    assert time.perf_counter() - start < 20
    assert len(written["index.html"]) < 6_000_000
    assert len(written) == 50
    found = re.search(r'id="data">(.*?)</script>', written["index.html"], re.S)
    assert found is not None
    assert len(json.loads(found[1])["entries"]) == 10_000


def test_pipeline_models_and_runs_are_escaped_and_whole() -> None:
    record, _ = fake(3, LoggedRun(RUN, RunOutcome(12.0, done=3)))
    record.timings = {"generator": (3, 1.5)}
    text = details(record)
    assert "<b>draw" not in text
    assert "<i>" not in text
    for words in ("&lt;b&gt;draw", "model: &lt;i&gt;, size: 3", "CC0", "ab" * 32, "not stated", "500.0 ms", "12.0 s"):
        assert words in text
    assert "<li>3 faces found</li>" in facts(record)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (None, "did not come to its end"),
        (RunOutcome(1.0, interrupted=True), "The last run was interrupted. 3 of 9 pictures"),
        (RunOutcome(1.0, stopped="No space left on device"), "stopped: No space left on device"),
        (RunOutcome(1.0), ""),
    ],
)
def test_a_run_that_did_not_end_is_told(outcome: RunOutcome | None, words: str) -> None:
    record, _ = fake(3, LoggedRun(RUN, outcome))
    assert words in notice(record)
    assert bool(words) == bool(notice(record))


def test_an_older_record_says_that_it_knows_no_pipeline() -> None:
    record, _ = fake(2)
    assert "does not say the pipeline" in details(record)
    assert notice(record) == ""
    assert "faces" not in facts(replace(record, entries=[replace(record.entries[0], faces=None)]))

"""A run, as its user sees it: what is written, what is counted, what stages do."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.engine import (
    RED,
    Bench,
    Bigger,
    Crop,
    DropDark,
    Faces,
    FacesConfig,
    Invert,
    InvertConfig,
    Multiply,
    NoRed,
    Same,
    Sample,
    SampleConfig,
    Uncrop,
)

from henshin.api.stage import Stage, StageConfig
from henshin.errors import HenshinError, MissingError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_tree_is_mirrored_in_the_formats_of_its_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("henshin.engine.stages.runner.perf_counter", count().__next__)
    for name in ("x.png", "sub/y.PNG", "sub/deep/z.bmp", "g.gif"):
        bench.photo(name)
    summary = bench.run(Invert)
    assert bench.files() == ["g.png", "sub/deep/z.bmp", "sub/y.PNG", "x.png"]
    assert tuple(bench.pixels("sub/y.PNG")[0, 0]) == (245, 55, 225)
    assert (summary.done, summary.failed, summary.total, summary.exit_code) == (4, 0, 4, 0)
    assert bench.told.total == 4
    assert bench.told.summary is summary
    assert summary.stages == {"invert": 4}, "one second for each chunk: on a CPU of one picture"
    assert summary.first_seconds is not None
    assert json.loads(summary.to_json())["done"] == 4


def test_nothing_is_done_twice_and_not_a_byte_is_written_then(bench: Bench) -> None:
    for number in range(5):
        bench.photo(f"{number}.png", (number * 40, 9, 9))
    bench.photo("bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    assert bench.run(Invert).exit_code == 1
    before = bench.state()
    opened = []

    class Watched(Invert):
        def open(self, context: Any) -> None:
            opened.append(self)

    summary = bench.run(Watched)
    assert (summary.up_to_date, summary.done, summary.failed) == (5, 0, 1)
    assert summary.failures[0].earlier
    assert summary.exit_code == 1, "a failure stands until it is mended"
    assert bench.state() == before
    assert opened == []


def test_what_changed_is_redone_and_nothing_else(bench: Bench) -> None:
    bench.photo("a.png")
    bench.photo("b.png")
    bench.photo("c.png")
    bench.photo("d.png")
    bench.run(Invert)
    bench.photo("a.png", (1, 2, 3))
    (bench.out / "b.png").unlink()
    (bench.out / "c.png").write_bytes((bench.out / "c.png").read_bytes()[:-3])
    summary = bench.run(Invert)
    assert (summary.done, summary.up_to_date) == (3, 1)
    assert tuple(bench.pixels("a.png")[0, 0]) == (254, 253, 252)
    assert bench.run(Invert).up_to_date == 4
    assert bench.run(Invert(InvertConfig(strength=254))).done == 4, "other options are other work"
    assert bench.run(Invert(InvertConfig(strength=254)), metadata="strip").done == 4, "and so are writer options"


def test_failures_are_tried_again_only_on_request_or_when_changed(bench: Bench) -> None:
    bench.photo("red.png", RED)
    bench.photo("green.png")
    assert bench.run(NoRed).failed == 1
    assert not bench.run(NoRed, retry_failed=True).failures[0].earlier
    assert bench.run(NoRed).failures[0].earlier
    bench.photo("red.png", (254, 0, 0))
    assert (summary := bench.run(NoRed)).done == 1
    assert summary.exit_code == 0


def test_a_failing_picture_is_named_with_stage_and_reason_and_the_others_go_on(bench: Bench) -> None:
    for number in range(9):
        bench.photo(f"{number}.png", RED if number == 4 else (number, 20, 30))
    (bench.photos / "cut.png").write_bytes(bench.photo("whole.png").read_bytes()[:48])
    summary = bench.run(Same, NoRed)
    failures = {Path(failure.source).name: failure for failure in summary.failures}
    assert set(failures) == {"4.png", "cut.png"}
    assert failures["4.png"].stage == "no_red"
    assert "red hurts" in failures["4.png"].reason
    assert failures["cut.png"].stage == "read"
    assert summary.done == 9
    assert summary.exit_code == 1
    assert [name for name, _, _ in bench.told.ended] == [*(f"{n}.png" for n in range(9)), "cut.png", "whole.png"]


def test_a_picture_that_nothing_changed_keeps_its_bytes(bench: Bench) -> None:
    photo = bench.photo("x.jpg", size=(20, 20), quality=71, comment=b"mine")
    bench.photo("y.png", (1, 2, 3, 99))
    summary = bench.run(Same)
    assert (bench.out / "x.jpg").read_bytes() == photo.read_bytes()
    assert (bench.out / "y.png").read_bytes() == (bench.photos / "y.png").read_bytes()
    assert summary.unchanged == 2
    bench.run(Same, output=bench.folder / "other", format="png")
    assert Image.open(bench.folder / "other" / "x.png").format == "PNG"
    assert bench.run(Invert, output=bench.folder / "third").unchanged == 0


def test_a_frame_may_become_several_or_none(bench: Bench) -> None:
    bench.photo("bright.png", (200, 200, 200))
    bench.photo("dark.png", (1, 1, 1))
    summary = bench.run(Multiply, DropDark, Invert)
    assert bench.files() == ["bright-1.png", "bright-2.png"]
    assert (summary.done, summary.skipped, summary.outputs) == (1, 1, 2)
    assert ("dark.png", "skipped", "left out by drop_dark") in bench.told.ended
    assert bench.run(Multiply, DropDark, Invert).up_to_date == 2


def test_inputs_of_one_name_are_both_kept(bench: Bench) -> None:
    bench.photo("x.jpg", (200, 0, 0))
    bench.photo("x.webp", (0, 0, 200), lossless=True)
    bench.run(Invert, format="png")
    assert bench.files() == ["x.jpg.png", "x.webp.png"]
    assert bench.pixels("x.webp.png")[0, 0, 2] == 55


def test_multiplied_names_never_land_on_another_source(bench: Bench) -> None:
    bench.photo("x.png", (10, 10, 10))
    bench.photo("x-1.png", (90, 90, 90))
    bench.run(Multiply, Invert)
    assert len(bench.files()) == 4
    assert sorted(int(bench.pixels(name)[0, 0, 0]) for name in bench.files()) == [165, 165, 245, 245]


def test_what_belongs_to_another_source_in_the_record_is_not_written_over(bench: Bench) -> None:
    bench.photo("a/x.png", (10, 10, 10))
    bench.photo("b/x.png", (90, 90, 90))
    bench.run(Invert, inputs=[bench.photos / "a"])
    bench.run(Invert, inputs=[bench.photos / "b"], on_existing="overwrite")
    assert sorted(int(bench.pixels(name)[0, 0, 0]) for name in bench.files()) == [165, 245]
    assert bench.run(Invert, inputs=[bench.photos / "a"]).up_to_date == 1
    assert bench.run(Invert, inputs=[bench.photos / "b"]).up_to_date == 1


def test_outputs_that_are_no_longer_made_are_named_and_kept(bench: Bench) -> None:
    bench.photo("x.png")
    bench.run(Multiply, Invert)
    summary = bench.run(Invert)
    assert sorted(summary.left_behind) == ["x-1.png", "x-2.png"]
    assert bench.files() == ["x-1.png", "x-2.png", "x.png"]


# -- Stages ----------------------------------------------------------------------------------------------------------


def test_faces_are_counted_and_photos_without_any_are_copied(bench: Bench) -> None:
    bench.photo("face.png", (9, 9, 9))
    bench.photo("group.png", (7, 7, 7))
    without = bench.photo("none.png", (0, 0, 0))
    summary = bench.run(Faces, Crop, Invert, Uncrop)
    assert (summary.faces, summary.without_faces, summary.done, summary.unchanged) == (4, 1, 3, 1)
    assert (bench.out / "none.png").read_bytes() == without.read_bytes()
    assert bench.pixels("face.png")[0, 0, 0] == 246
    assert bench.pixels("face.png")[0, 11, 0] == 9, "only the crops were changed"
    skipped = bench.run(Faces(FacesConfig(without="skip")), Crop, Invert, Uncrop, output=bench.folder / "other")
    assert (skipped.skipped, skipped.without_faces, skipped.done) == (1, 1, 2)
    whole = bench.run(Faces(FacesConfig(without="whole")), Crop, Invert, Uncrop, output=bench.folder / "third")
    assert whole.unchanged == 0
    assert np.asarray(Image.open(bench.folder / "third" / "none.png"))[0, 0, 0] == 255


def test_alpha_follows_the_size_of_the_picture(bench: Bench) -> None:
    bench.photo("x.png", (50, 60, 70, 128), size=(5, 4))
    bench.run(Bigger)
    result = Image.open(bench.out / "x.png")
    assert (result.mode, result.size) == ("RGBA", (15, 8))
    assert set(np.asarray(result)[..., 3].ravel()) == {128}


def test_a_source_stage_makes_its_own_pictures(bench: Bench) -> None:
    summary = bench.run(Sample, Invert, inputs=[])
    assert bench.files() == ["sample-000000.png", "sample-000001.png", "sample-000002.png"]
    assert (summary.done, summary.total) == (3, None)
    assert bench.run(Sample, Invert, inputs=[]).up_to_date == 3
    with pytest.raises(HenshinError, match="takes no input"):
        bench.run(Sample, Invert)
    assert bench.run(Sample(SampleConfig(count=9)), inputs=[], limit=2, output=bench.folder / "few").done == 2


def test_stages_are_closed_in_reverse_whatever_happens(bench: Bench) -> None:
    bench.photo("x.png")
    calls: list[str] = []

    class Noisy(Stage[StageConfig]):
        name = "noisy"
        fails = False

        def open(self, context: Any) -> None:
            calls.append("open " + self.name)
            if self.fails:
                raise ImportError("no such thing")

        def run(self, items: Any) -> Any:
            return items

        def close(self) -> None:
            calls.append("close " + self.name)
            raise RuntimeError("nor does it close")

    class Broken(Noisy):
        name = "broken"
        fails = True
        extra = "train"

    bench.run(Noisy, Noisy)
    assert calls == ["open noisy", "open noisy", "close noisy", "close noisy"]
    calls.clear()
    with pytest.raises(MissingError, match=r"'broken' lacks a package.*henshin\[train\]") as caught:
        bench.run(Noisy, Broken, output=bench.folder / "other")
    assert caught.value.exit_code == 3
    assert calls == ["open noisy", "open broken", "close broken", "close noisy"]


def test_a_plan_says_what_would_happen_and_writes_nothing(bench: Bench) -> None:
    for number in range(4):
        bench.photo(f"{number}.png")
    assert bench.plan(Invert).to_do == 4
    assert not bench.out.exists()
    bench.run(Invert, limit=3)
    before = bench.state()
    planned = bench.plan(Invert)
    assert (planned.files, planned.to_do, planned.up_to_date) == (4, 1, 3)
    assert [stage.name for stage in planned.stages] == ["invert"]
    assert planned.stages[0].options == {"strength": 255}
    assert planned.device == "cpu"
    assert bench.state() == before
    json.dumps(planned.as_dict())

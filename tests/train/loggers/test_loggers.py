"""What a person sees of a run: log, curves, sheets, TensorBoard, bar; all of it the same with breaks as without."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from support.recipe import dots, log  # noqa: E402
from support.train import different, last_state  # noqa: E402

from henshin.cli.progress import TrainingBar  # noqa: E402
from henshin.errors import HenshinError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.train.loggers.curves import curve, panels, smooth  # noqa: E402
from henshin.train.loggers.image_grid import save_image_grid  # noqa: E402
from henshin.train.loggers.logger import Progress  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402


@pytest.fixture(scope="module")
def drawn() -> Any:
    """What draws a panel, before it is put out of the way."""
    from henshin.train.loggers import curves

    return curves._plot_panel


@pytest.fixture(autouse=True)
def no_plots(drawn: Any, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves are drawn for one run only: it takes a while."""
    monkeypatch.setattr("henshin.train.loggers.curves._plot_panel", lambda *_: Image.new("RGB", (6, 4)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps without a break."""
    place = tmp_path_factory.mktemp("whole")
    dots(place, text="steps: 10\n")
    return place / "run"


def test_everything_to_look_at_lies_in_the_folder_of_the_run(whole: Path) -> None:
    assert [(line["step"], line["epoch"], "part" in line) for line in log(whole)] == [
        (3, 0.75, False),
        (6, 1.5, False),
        (9, 2.25, False),
        (10, 2.5, True),
    ]
    # an epoch has four steps, and the last step gives a sheet too
    assert {path.name for path in (whole / "samples").iterdir()} == {f"000000{i}.png" for i in (0, 4, 8, 9)}
    assert {path.name for path in (whole / "plots").iterdir()} == {
        f"{name}.png" for name in ("losses", "adversarial", "discriminators", "scores", "rate")
    }
    with Image.open(whole / "plots" / "losses.png") as page:
        assert len(page.convert("RGB").getcolors(1 << 20) or []) > 50
    assert not [path for path in whole.rglob("*") if path.name.endswith(".part")]


def test_tensorboard_reads_curves_and_sheets(whole: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(whole / "board"), {"scalars": 0, "images": 0})
    board.Reload()
    assert set(board.Tags()["scalars"]) == {"adversarial", "discriminator", "real_score", "fake_score", "rate"}
    expected = [(line["step"], pytest.approx(line["discriminator"], rel=1e-5)) for line in log(whole)]
    assert [(event.step, event.value) for event in board.Scalars("discriminator")] == expected
    assert [event.step for event in board.Images("samples")] == [0, 4, 8, 9]


def test_a_run_with_breaks_has_the_log_and_the_weights_of_one_without(whole: Path, tmp_path: Path) -> None:
    dots(tmp_path, text="steps: 10\n", max_steps=2)
    assert [line["step"] for line in log(tmp_path / "run")] == [2]
    dots(tmp_path, text="steps: 10\n", max_steps=7, resume=True)
    dots(tmp_path, text="steps: 10\n", resume=True)
    assert log(tmp_path / "run") == log(whole)
    assert different(last_state(tmp_path / "run"), last_state(whole)) == []


@pytest.mark.parametrize("moment", ["begin", "write", "end", "prune"])
def test_a_run_that_dies_while_it_saves_goes_on_the_same_curve(
    moment: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dots(tmp_path, text="steps: 10\n", max_steps=2)
    dots(tmp_path, text="steps: 10\n", max_steps=4, resume=True)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "prune":  # the new checkpoint is in its place, and an old one half deleted
            patch.setattr(checkpoint.shutil, "rmtree", lambda path, **_: die() if path.name == "000000002" else None)
        elif moment == "write":
            patch.setattr(checkpoint, "flush_to_disk", die)
        else:
            patch.setattr(checkpoint, moment, die)
        with pytest.raises(Killed):
            dots(tmp_path, text="steps: 10\n", max_steps=8, resume=True)
    said = dots(tmp_path, text="steps: 10\n", resume=True)
    assert f"resumed at step {8 if moment == 'prune' else 4}" in said
    assert log(tmp_path / "run") == log(whole)
    assert different(last_state(tmp_path / "run"), last_state(whole)) == []
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def test_lines_after_the_checkpoint_and_half_a_line_are_taken_back(whole: Path, tmp_path: Path) -> None:
    dots(tmp_path, text="steps: 10\n", max_steps=6)
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "time": 1.0, "discriminator": 77.0}\n[1]\n{"step": 12, "ju')
    dots(tmp_path, text="steps: 10\n", resume=True)
    assert log(tmp_path / "run") == log(whole)


def test_runs_of_the_old_layout_go_on(whole: Path, tmp_path: Path) -> None:
    """Without what was noted since the last line, without sittings, and with options that were not there yet."""
    dots(tmp_path, text="steps: 10\n", max_steps=6)
    rest = last_checkpoint(tmp_path / "run") / checkpoint.VALUES
    rest.write_text(rest.read_text().replace('["noted", {"dict": []}]', '["other", 1]'))
    described = tmp_path / "run" / "run.json"
    told = json.loads(described.read_text())
    del told["sittings"], told["config"]["sheet_every"]
    described.write_text(json.dumps(told))
    assert not [line for line in dots(tmp_path, text="steps: 10\n", resume=True) if "changed" in line]
    assert log(tmp_path / "run") == log(whole)
    assert different(last_state(tmp_path / "run"), last_state(whole)) == []


def test_what_a_later_sitting_changes_is_told_and_noted(tmp_path: Path) -> None:
    dots(tmp_path, text="steps: 2\n")
    said = dots(tmp_path, text="steps: 2\n", resume=True, overrides=("steps=4", "rate=0.1"))
    assert "changed since: steps 2 -> 4, rate 0.01 -> 0.1" in said
    with pytest.raises(
        HenshinError, match=r"fit this run \('0\.weight' is \(4, .* \(5, .*; changed since: width 4 -> 5"
    ):
        dots(tmp_path, text="steps: 6\nwidth: 5\n", resume=True)
    first, second = json.loads((tmp_path / "run" / "run.json").read_text())["sittings"]
    assert (first["step"], first["set"], first["changed"]) == (0, [], {})
    assert (second["step"], second["set"]) == (2, ["steps=4", "rate=0.1"])
    assert second["changed"] == {"steps": [2, 4], "rate": [0.01, 0.1]}
    (tmp_path / "run" / "run.json").write_text('{"recipe": "cut"}')
    with pytest.raises(HenshinError, match="is a run of recipe 'cut', not 'dots'"):
        dots(tmp_path, resume=True)


def test_a_limit_of_time_also_ends_with_a_sheet(tmp_path: Path) -> None:
    dots(tmp_path, text="steps: 100000\nepoch: 90000\n", max_time=0.3)
    last = int(last_checkpoint(tmp_path / "run").name)
    assert {path.name for path in (tmp_path / "run" / "samples").iterdir()} >= {"0000000.png", f"{last - 1:07d}.png"}


def test_the_end_says_whether_the_plan_is_done_and_what_to_do_next(tmp_path: Path) -> None:
    place, run = tmp_path, tmp_path / "run"
    said = dots(place, text="steps: 4\n", max_steps=2)
    assert said[-1] == f"stopped at step 2 of 4 (--max-steps); go on with --resume -o {run}"
    said = dots(place, text="steps: 100000\nepoch: 90000\n", max_time=0.3, resume=True)
    last = int(last_checkpoint(run).name)
    assert said[-1] == f"stopped at step {last} of 100000 (--max-time); go on with --resume -o {run}"
    said = dots(place, text=f"steps: {last + 1}\n", resume=True, max_time=1000, max_steps=last + 1)
    assert said[-1] == f"done: {last + 1} steps; henshin export {run} --name NAME"


def test_there_must_be_a_run_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(HenshinError, match=r"mine: no run to go on from$"):
        dots(tmp_path, "mine", resume=True)
    dots(tmp_path, "other", "steps: 1\n")
    with pytest.raises(HenshinError, match=r"mine: no run to go on from; there are: \S*other$"):
        dots(tmp_path, "mine", resume=True)
    assert not (tmp_path / "mine").exists()
    (tmp_path / "killed").mkdir()  # before its first checkpoint
    (tmp_path / "killed" / "run.json").write_text("{}")
    said = dots(tmp_path, "killed", "steps: 1\n", resume=True)
    assert any("no checkpoint to go on from; starts anew" in line for line in said)


def test_a_short_run_tells_its_losses_and_draws_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = dots(tmp_path, text="steps: 2\n")  # a line is due after three
    assert [line.split("  ")[0] for line in said if "  discriminator " in line] == ["step 2/2"]
    assert (tmp_path / "run" / "plots" / "losses.png").is_file()
    monkeypatch.setattr("henshin.train.loggers.logger.REPORT_EVERY", 0.0)
    said = dots(tmp_path, "often", text="steps: 10\n")
    assert [line.split("  ")[0] for line in said if "  discriminator " in line] == [
        f"step {i}/10" for i in range(1, 11)
    ]
    assert [line["step"] for line in log(tmp_path / "often")] == [3, 6, 9, 10], "the log goes by steps alone"


def test_a_single_point_can_be_seen(drawn: Any) -> None:
    def inked(records: list[dict[str, float]]) -> int:
        return int((np.ptp(np.asarray(drawn(records, "discriminator", ["discriminator"])).astype(int), 2) > 60).sum())

    assert inked([{"step": 5, "discriminator": 0.5}]) > 10
    assert inked([{"step": 5}]) == 0


def test_a_bar_takes_the_place_of_lines_of_progress(tmp_path: Path) -> None:
    seen: list[Progress] = []
    said = dots(tmp_path, text="steps: 10\n", show=seen.append)
    assert [now.steps for now in seen] == list(range(1, 11))
    assert [now.epoch_text for now in seen[3:5]] == ["epoch 1/3", "epoch 2/3"]
    assert "discriminator" in seen[-1].losses
    assert not [line for line in said if line.startswith("step ")]
    lines = [line for line in dots(tmp_path, "lines", "steps: 10\n") if line.startswith("step ")]
    assert [line.split("  ")[:2] for line in lines] == [
        ["step 3/10", "epoch 1/3"],
        ["step 6/10", "epoch 2/3"],
        ["step 9/10", "epoch 3/3"],
        ["step 10/10", "epoch 3/3"],
    ]
    assert " left  adversarial " in lines[0]


def test_the_bar_shows_epoch_rate_time_left_and_losses() -> None:
    from rich.console import Console

    screen = io.StringIO()
    bar = TrainingBar(Console(file=screen, force_terminal=True, width=160))
    bar.show(Progress(149, 600, 200, 2.0, 225.0, {"discriminator": 0.5}))
    bar.print_line("a [line] above")
    bar.show(Progress(150, 600, 200, 2.0, 225.0, {"discriminator": 0.25}))
    bar.bar.refresh()
    bar.close()
    text = screen.getvalue()
    for words in ("epoch 1/3", "150/600", "2.00 steps/s", "discriminator 0.250", "a [line] above"):
        assert words in text


def test_values_share_a_panel_with_their_kind() -> None:
    record = {
        "step": 1,
        "time": 0.0,
        "part": True,
        "discriminator_b": 1.0,
        "zeta": 1.0,
        "cycle": 1.0,
        "real_score": 1.0,
    }
    record |= {"fake_score": 0.0, "discriminator_a": 1.0, "adversarial_ab": 2.0, "adversarial": 3.0, "total": 4.0}
    assert panels([record]) == {
        "adversarial": ["adversarial_ab", "adversarial"],
        "cycle": ["cycle"],
        "total": ["total"],
        "discriminators": ["discriminator_b", "discriminator_a"],
        "scores": ["real_score", "fake_score"],
        "zeta": ["zeta"],
    }
    steps, values = curve([{"step": i, "x": i / 2} for i in range(9000)] + [{"step": 9000}], "x")
    assert len(steps) == 2250
    assert (steps[1], values[1]) == (4, 2.0)
    assert smooth([0.0, 1.0]) == [0.0, 1.0]
    assert smooth([3.0] * 200) == pytest.approx([3.0] * 200)
    assert smooth([0.0, 1.0] * 100)[-1] == pytest.approx(0.5, abs=0.06)


def test_rows_have_names_and_very_wide_ones_go_on_below(tmp_path: Path) -> None:
    row = torch.linspace(-1, 1, 10)[:, None, None, None].expand(10, 3, 8, 8)
    plain = save_image_grid([row, row], tmp_path / "plain.png", gap=2)
    assert plain is not None
    assert plain.size == (100, 20)
    named = save_image_grid([row, row], tmp_path / "named.png", gap=2, names=("photo", "a drawing"))
    assert named is not None
    margin = named.width - 100
    assert 20 < margin < 100
    assert np.asarray(named)[:, :margin].min() < 128  # something is written there
    assert (np.asarray(named)[:, margin:] == np.asarray(plain)).all()
    broken = save_image_grid(
        [row, [*row.numpy().transpose(0, 2, 3, 1).astype(np.uint8)]], tmp_path / "wide.png", widest=45
    )
    assert broken is not None
    assert broken.size == (40, 60)  # ten pictures in three lines of four, for both rows
    assert save_image_grid([[np.zeros((8, 90, 3), np.uint8)]], tmp_path / "huge.png", widest=45).width == 45  # type: ignore[union-attr]
    assert save_image_grid([row[:0]], tmp_path / "none.png") is None

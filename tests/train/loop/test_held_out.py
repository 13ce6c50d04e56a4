"""Measurements during training: the figures of the held-out pictures, the curve, the best state, its export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.train import different, domains, last_state, run_yaml, trained

from henshin.errors import HenshinError, PipelineError
from henshin.metrics.kernel_distance import kid, ratio
from henshin.models.trained_weights import last_checkpoint
from henshin.registry import build_registry
from henshin.train.data.folders import list_pictures, split_files
from henshin.train.metrics import TorchFeatures
from henshin.train.weights import checkpoint
from henshin.train.weights.evaluations import Evaluations, best_checkpoint
from henshin.train.weights.from_run import from_run


def areas(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Means of 4 x 4 areas, as features: the real network takes long."""
    values = [np.asarray(Image.fromarray(picture).resize((4, 4), Image.Resampling.BOX), float) for picture in pictures]
    return np.stack([value.ravel() / 64 for value in values])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two domains of pictures; features are the means of areas."""
    monkeypatch.setattr(TorchFeatures, "features", lambda self, pictures: areas(pictures))
    domains(tmp_path, count=10)
    return tmp_path


def written(place: Path, **options: object) -> Path:
    path = run_yaml(place, "cyclegan", steps=6, discriminator_layers=2, **options)
    path.write_text(path.read_text().replace("hold_out: 1", "hold_out: 4"))
    return path


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "evaluation.jsonl").read_text().splitlines()]


def held_out(folder: Path) -> list[np.ndarray]:
    files = split_files(list_pictures([folder]), 4)[1]
    return [np.asarray(Image.open(file).resize((32, 32), Image.Resampling.LANCZOS)) for file in files]


def test_the_figures_are_those_of_the_network_on_held_out_pictures(place: Path) -> None:
    said = trained(written(place, evaluate_every=3), place / "run")
    found = lines(place / "run")
    assert [line["step"] for line in found] == [3, 6]
    network = from_run(place / "run", build_registry()).network
    photos, drawings = held_out(place / "a"), held_out(place / "b")
    with torch.no_grad():
        batch = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 127.5 - 1
        drawn = ((network(batch) + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    values = {figure["metric"]: figure["value"] for figure in found[-1]["figures"]}
    fake, real, source = areas(list(drawn)), areas(drawings), areas(photos)
    assert values["kid-efficientnet-lite0"] == pytest.approx(kid(fake, real))
    assert values["style-ratio-efficientnet-lite0"] == pytest.approx(ratio(source, fake, real, resamples=1).value)
    assert list(values) == [f"{name}-efficientnet-lite0" for name in ("kid", "style-ratio", "variety")] + ["kept"]
    assert sum(line.startswith("step 6: held-out pictures: KID (EfficientNet-Lite0)") for line in said) == 1


def test_the_curve_is_logged_at_the_very_step(place: Path) -> None:
    trained(written(place, evaluate_every=2), place / "run")
    log = [json.loads(line) for line in (place / "run" / "log.jsonl").read_text().splitlines()]
    measured = {line["step"]: line["held_out_kid"] for line in log if "held_out_kid" in line}
    assert measured == {line["step"]: line["figures"][0]["value"] for line in lines(place / "run")}
    assert (place / "run" / "plots" / "held_out_kid.png").is_file()
    assert (place / "run" / "plots" / "held_out_style_ratio.png").is_file()


def test_measuring_changes_nothing_and_a_break_neither(place: Path) -> None:
    trained(written(place), place / "plain")
    path = written(place, evaluate_every=2)
    trained(path, place / "whole")
    trained(path, place / "parts", max_steps=3)
    trained(path, place / "parts", resume=True)
    whole = last_state(place / "whole")
    assert different(last_state(place / "plain"), whole) == []
    assert different(last_state(place / "parts"), whole) == []
    assert lines(place / "parts") == lines(place / "whole")


def test_the_best_state_is_kept_and_exported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up features of translations are best at the second of three measurements."""
    worse = iter((5.0, 1.0, 3.0))
    sets = iter(range(100))

    def features(self: TorchFeatures, pictures: Sequence[np.ndarray], /) -> np.ndarray:
        number = next(sets)  # drawings and photos first, then the translations of each measurement
        rng = np.random.default_rng(number)
        return rng.normal(0 if number == 0 else 6 if number == 1 else next(worse), 0.1, (len(pictures), 5))

    monkeypatch.setattr(TorchFeatures, "features", features)
    trained(written(place, evaluate_every=2), place / "run")
    assert best_checkpoint(place / "run").name == "000000004"
    assert [path.name for path in (place / "run" / "best").iterdir()] == ["000000004"]
    best, last = from_run(place / "run", build_registry(), best=True), from_run(place / "run", build_registry())
    assert " 4 steps" in best.origin
    assert " 6 steps" in last.origin
    assert best.evaluation.startswith("KID (EfficientNet-Lite0) ")
    assert best.evaluation != last.evaluation
    kept = checkpoint.load(best_checkpoint(place / "run"))
    published = json.loads((place / "run" / "run.json").read_text())["publish"][""]["state"]
    assert set(kept) == {"run", "evaluation", published}
    names = best.network.state_dict()
    assert any(not torch.equal(names[name], value) for name, value in last.network.state_dict().items())


def test_export_takes_the_best_state_and_the_model_shows_its_figures(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from henshin.cli import main
    from henshin.models import read_contract

    trained(written(place, evaluate_every=3), place / "run")
    best = checkpoint.load(best_checkpoint(place / "run"))["evaluation"]
    assert main(["export", str(place / "run"), "--best", "--name", "mine", "-o", str(place / "models")]) == 0
    contract = read_contract(place / "models" / "mine.onnx")
    assert contract is not None
    assert f" {best['step']} steps" in contract.origin
    assert f"{best['figures'][0]['value']:.4g}" in contract.evaluation
    capsys.readouterr()
    assert main(["models", "show", str(place / "models" / "mine.onnx")]) == 0
    assert contract.evaluation in capsys.readouterr().out


def test_a_contract_has_the_figures(place: Path) -> None:
    from henshin.models import Contract
    from henshin.train.export.exporter import describe

    trained(written(place, evaluate_every=6), place / "run")
    source = from_run(place / "run", build_registry())
    contract = describe(source, "mine", source.network)
    assert contract.evaluation == source.evaluation != ""
    assert Contract.from_json(contract.to_json()) == contract
    assert "evaluation" not in json.loads(contract.model_copy(update={"evaluation": ""}).to_json())


def test_a_best_state_of_a_later_step_outlives_a_resume_from_an_earlier_one(tmp_path: Path) -> None:
    def figure(value: float | None) -> list[dict[str, Any]]:
        return [{"metric": "kid", "title": "KID", "value": value, "low": None, "high": None, "pictures": {"real": 2}}]

    states = {"ema": {"weight": torch.zeros(2)}}
    assert Evaluations.of(tmp_path).add(10, figure(0.5), states)
    assert Evaluations.of(tmp_path).add(20, figure(0.3), states)
    again = Evaluations.of(tmp_path, 10)
    assert [record["step"] for record in again.records] == [10]
    assert not again.add(15, figure(0.4), states)
    assert not again.add(18, figure(None), states)
    assert again.add(20, figure(0.2), states)  # as good as measured before, or by chance better: the state is the same
    assert best_checkpoint(tmp_path).name == "000000020"


def test_what_cannot_be_measured_is_said(place: Path) -> None:
    path = run_yaml(place, "cyclegan", steps=2, evaluate_every=1)
    with pytest.raises(PipelineError, match=r"cyclegan.yaml:3: data.hold_out: 1 is too few for evaluate_every"):
        trained(path, place / "run")
    trained(run_yaml(place, "cyclegan", steps=1), place / "other")
    with pytest.raises(HenshinError, match="this run kept no best state, which its option evaluate_every makes it do"):
        from_run(place / "other", build_registry(), best=True)
    assert last_checkpoint(place / "other").is_dir()

"""An evaluation of sets with a made-up network: figures by hand, missing partners, too few pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from henshin.errors import MissingError
from henshin.metrics import Cache, Evaluation, FileSet, Toolbox
from henshin.metrics.kernel_distance import kid, ratio, variety
from henshin.metrics.pair_measures import Kept, PixelMeasure
from henshin.metrics.precision_recall import share_within


@dataclass(frozen=True)
class Means:
    """The mean colours of the four quarters, as features."""

    key: str
    unit_scale: bool = False

    @property
    def title(self) -> str:
        return self.key.title()

    @property
    def kind(self) -> str:
        return self.key

    def features(self, pictures: Sequence[np.ndarray], /) -> np.ndarray:
        parts = [picture.reshape(2, picture.shape[0] // 2, 2, picture.shape[1] // 2, 3) for picture in pictures]
        return np.stack([part.mean((1, 3)).ravel() / 64 for part in parts])


def missing() -> Any:
    raise MissingError("no weights here")


def toolbox(judges: tuple[str, ...] = ("efficientnet-lite0",), cache: Cache | None = None) -> Toolbox:
    networks = {
        "efficientnet-lite0": lambda: Means("efficientnet-lite0"),
        "vgg19": lambda: Means("vgg19", unit_scale=True),
        "inception": missing,
    }
    measures = {"psnr": lambda: PixelMeasure("psnr"), "kept": Kept, "identity": missing}
    return Toolbox(networks, measures, judges, cache)


def fill(folder: Path, count: int, seed: int, shift: int = 0, size: int = 16) -> dict[str, np.ndarray]:
    """Write pictures; return them by name."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    made = {}
    for i in range(count):
        coarse = rng.integers(0, 200, (2, 2, 3)) + shift
        picture = np.kron(coarse, np.ones((size // 2, size // 2, 1))).astype(np.uint8)
        made[f"{i}.png"] = picture
        Image.fromarray(picture).save(folder / f"{i}.png")
    return made


def files(folder: Path, name: str) -> FileSet:
    return FileSet(name, {file.name: file for file in sorted(folder.iterdir(), key=lambda file: file.name)})


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, dict[str, np.ndarray]]:
    return {
        "real": fill(tmp_path / "real", 23, 0),
        "fake": fill(tmp_path / "fake", 21, 1, 20),
        "source": fill(tmp_path / "source", 21, 2, 50),
    }


def evaluate(folder: Path, *metrics: str, tools: Toolbox | None = None, source: bool = True, **more: Any) -> Evaluation:
    return Evaluation(
        files(folder / "real", "--real"),
        files(folder / "fake", "--fake"),
        files(folder / "source", "--source") if source else None,
        metrics,
        tools or toolbox(),
        **more,
    )


def rows(pictures: dict[str, np.ndarray]) -> np.ndarray:
    return Means("").features([pictures[name] for name in sorted(pictures)])


def test_figures_are_those_of_the_features(tmp_path: Path, sets: dict[str, dict[str, np.ndarray]]) -> None:
    names = ("kid", "fid", "precision-recall", "variety", "style-ratio", "kept")
    told: list[str] = []
    evaluation = evaluate(tmp_path, *names, resamples=50, ended=lambda name, reason: told.append(name))
    found = evaluation.run()
    assert found.exit_code == 0
    assert len(told) == evaluation.steps()
    real, fake, source = (rows(sets[role]) for role in ("real", "fake", "source"))
    scale = np.linalg.norm(real, axis=1).mean() / real.shape[1] ** 0.5
    values = {figure.key: figure.value for figure in found.figures}
    assert values == pytest.approx({
        "kid-efficientnet-lite0": kid(fake, real),
        "frechet-efficientnet-lite0": values["frechet-efficientnet-lite0"],
        "precision-efficientnet-lite0": share_within(fake, real).mean(),
        "recall-efficientnet-lite0": share_within(real, fake).mean(),
        "variety-efficientnet-lite0": variety(fake, real),
        "variety-vgg19": variety(fake, real),
        "style-ratio-efficientnet-lite0": kid(fake, real) / kid(source, real),
        "style-ratio-vgg19": ratio(source / scale, fake / scale, real / scale, resamples=1).value,
        "kept": values["kept"],
    })  # fmt: skip
    for figure in found.figures:
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.resamples == 50
    assert found.sets == {"--real": 23, "--fake": 21, "--source": 21}


def test_only_inception_gives_kid_and_fid_their_names(tmp_path: Path, sets: Any) -> None:
    tools = toolbox(("inception", "vgg19"))
    tools.networks = {**tools.networks, "inception": lambda: Means("inception")}
    found = evaluate(tmp_path, "kid", "fid", "precision-recall", tools=tools, resamples=2)
    keys = [figure.key for figure in found.run().figures]
    assert keys == ["kid", "kid-vgg19", "fid", "frechet-vgg19", "precision-inception", "recall-inception",
                    "precision-vgg19", "recall-vgg19"]  # fmt: skip


def test_missing_weights_leave_the_other_figures(tmp_path: Path, sets: Any) -> None:
    tools = toolbox(("inception", "efficientnet-lite0"))
    found = evaluate(tmp_path, "kid", "kept", "identity", tools=tools, resamples=2).run()
    assert [figure.key for figure in found.figures] == ["kid-efficientnet-lite0", "kept"]
    assert found.unmeasured == {"kid-inception": "no weights here", "identity": "no weights here"}
    assert found.exit_code == 3


def test_missing_partners_are_named_and_the_rest_is_measured(tmp_path: Path, sets: Any) -> None:
    (tmp_path / "source" / "4.png").rename(tmp_path / "source" / "other.png")
    (tmp_path / "fake" / "7.png").write_bytes(b"damaged")
    found = evaluate(tmp_path, "style-ratio", "kept", resamples=2).run()
    counts = {figure.key: dict(figure.pictures) for figure in found.figures}
    assert counts["style-ratio-vgg19"] == {"real": 23, "pairs": 19}
    assert counts["kept"] == {"pairs": 19}
    assert found.unpaired["--fake in --source"] == {"4.png": "no picture of its name in --source"}
    assert found.unpaired["--source in --fake"] == {"other.png": "no picture of its name in --fake"}
    assert list(found.unreadable["--fake"]) == ["7.png"]
    assert found.sets["--fake"] == 20
    assert found.exit_code == 1


def test_no_partner_at_all_and_no_source_are_a_clear_line(tmp_path: Path, sets: Any) -> None:
    for file in sorted((tmp_path / "fake").iterdir()):
        file.rename(file.with_name(f"drawn-{file.name}"))
    found = evaluate(tmp_path, "psnr", "kept", "style-ratio", source=False).run()
    wanted = "it needs the sources of the translations: --source"
    assert found.unmeasured == {
        "psnr": "no picture of --fake has a partner of its name in --real",
        "kept": wanted,
        "style-ratio": wanted,
    }


@pytest.mark.parametrize(("metric", "least"), [("kid", 2), ("fid", 2), ("precision-recall", 4)])
def test_fewer_pictures_than_a_metric_needs(tmp_path: Path, metric: str, least: int) -> None:
    fill(tmp_path / "real", 6, 0)
    fill(tmp_path / "fake", least - 1, 1)
    found = evaluate(tmp_path, metric, source=False).run()
    reason = f"--fake has {least - 1} pictures that can be read; it takes at least {least}"
    assert found.unmeasured == {metric: reason}
    Image.new("RGB", (16, 16)).save(tmp_path / "fake" / "one-more.png")
    few = evaluate(tmp_path, metric, source=False, resamples=2).run()
    assert few.exit_code == 0
    assert "fewer than 20 pictures say little" in few.figures[0].notes


def test_pictures_of_other_sizes_are_counted_and_other_shapes_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "real", 3, 0, size=32)
    fill(tmp_path / "fake", 3, 1)
    Image.new("RGB", (16, 24)).save(tmp_path / "fake" / "2.png")
    found = evaluate(tmp_path, "psnr", source=False, resamples=2).run()
    (figure,) = found.figures
    assert figure.pictures == {"pairs": 2}
    assert "resized to the partner's size" in figure.notes[0]
    assert found.unpaired["psnr of --fake"] == {"2.png": "16x24 pixels have another shape than its partner's 32x32"}


def test_of_two_pictures_the_interval_is_of_the_resamples_that_have_a_figure(tmp_path: Path) -> None:
    fill(tmp_path / "real", 2, 0)
    fill(tmp_path / "fake", 3, 1)
    found = evaluate(tmp_path, "kid", "variety", source=False, resamples=40).run().as_dict()
    assert "NaN" not in json.dumps(found)
    assert all(figure["low"] < figure["high"] for figure in found["figures"])


def test_equal_pairs_are_infinite_and_null_in_json(tmp_path: Path) -> None:
    fill(tmp_path / "real", 3, 0)
    fill(tmp_path / "fake", 3, 0)
    found = evaluate(tmp_path, "psnr", source=False).run()
    as_json = found.as_dict()["figures"][0]
    assert (as_json["value"], as_json["low"], as_json["notes"]) == (
        None, None, ["3 of 3 pairs are equal, which is infinite"],
    )  # fmt: skip


def test_what_the_cache_holds_is_not_computed_again(tmp_path: Path, sets: Any, monkeypatch: Any) -> None:
    first = evaluate(tmp_path, "kid", tools=toolbox(cache=Cache(tmp_path / "cache")), source=False, resamples=5).run()
    monkeypatch.setattr(Means, "features", lambda self, pictures: pytest.fail("computed again"))
    again = evaluate(tmp_path, "kid", tools=toolbox(cache=Cache(tmp_path / "cache")), source=False, resamples=5).run()
    assert again.as_dict() == first.as_dict()

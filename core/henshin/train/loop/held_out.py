"""Measurement of a translator while it is trained: held-out photos, translated, against held-out drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from henshin.api.recipe import EvaluatedConfig
from henshin.api.training_data import PairedData
from henshin.errors import HenshinError, PictureError
from henshin.images import read
from henshin.metrics import Figure, Pairs
from henshin.metrics.bootstrap import mean_estimate
from henshin.metrics.pair_measures import Kept, kept
from henshin.metrics.set_metrics import FEW, SET_METRICS, Features, Vectors
from henshin.models import ModelStore
from henshin.registry import Registry
from henshin.train.config.checks import LEAST_HELD_OUT
from henshin.train.data.folders import list_pictures, require_pairs, resolve_folders, split_files
from henshin.train.data.preprocessing import resize_and_crop
from henshin.train.metrics import make_toolbox
from henshin.train.networks import make_generator
from henshin.train.networks.generators import with_normalised_io
from henshin.train.weights.run_folder import PublishedNetwork

RESAMPLES = 300
"""Of the intervals; they show whether two measurements differ."""

AT_ONCE = 8

LOGGED = {"kid": "held_out_kid", "style-ratio": "held_out_style_ratio"}
"""Metrics in the log of the run, by their names there."""


class HeldOutEvaluation:
    """Measures a network on the pictures that a run holds out, each the middle square at the size of the training.

    Errors: HenshinError when there are too few of them; MissingError without the weights of the feature network.
    """

    def __init__(self, config: EvaluatedConfig, base: Path, registry: Registry, device: torch.device) -> None:
        self.registry, self.device = registry, device
        self.network = make_toolbox(ModelStore(), (), None).network(config.evaluate_by)
        data: Any = config.data  # type: ignore[attr-defined]
        self.size: int = data.size
        photos, drawings = (self._read(files) for files in held_out_files(data, base))
        for option, pictures in (("a", photos), ("b", drawings)):
            if len(pictures) < LEAST_HELD_OUT:
                raise HenshinError(
                    f"evaluate_every: of data.{option} {len(pictures)} held-out pictures can be read; it takes "
                    f"{LEAST_HELD_OUT}, and below {FEW} they say little"
                )
        self.photos = photos
        self.real, self.source = self._vectors(drawings), self._vectors(photos)

    def measure(self, published: PublishedNetwork, state: Mapping[str, Tensor], seed: int = 0) -> list[Figure]:
        """Return the figures of a network, KID first. `state` has its tensors, as `published` says."""
        fakes = self._translate(self._build(published, state))
        sets = {"real": self.real, "source": self.source, "fake": self._vectors(fakes)}
        names = sets["fake"].names
        features = Features(self.network, sets, Pairs([(name, name) for name in names], {}), seed, RESAMPLES)
        found = [figure for name in ("kid", "style-ratio", "variety") for figure in SET_METRICS[name].compute(features)]
        alike = mean_estimate(kept(self.photos, fakes), seed, RESAMPLES)
        return [*found, Figure.of(Kept.key, Kept.title, alike, Kept.better, {"pairs": len(fakes)})]

    def logged(self, figures: Sequence[Figure]) -> dict[str, float]:
        """Return the values that the run logs and draws as curves."""
        by_metric = {figure.key.removesuffix(f"-{self.network.key}"): figure.value for figure in figures}
        return {name: by_metric[metric] for metric, name in LOGGED.items() if np.isfinite(by_metric[metric])}

    def _read(self, files: Sequence[Path]) -> list[np.ndarray]:
        pictures = []
        for file in files:
            try:
                pictures.append(resize_and_crop(read(file).picture, self.size, "middle"))
            except PictureError:  # the run lists it
                continue
        return pictures

    def _vectors(self, pictures: Sequence[np.ndarray]) -> Vectors:
        return Vectors([str(i) for i in range(len(pictures))], self.network.features(pictures))

    def _build(self, published: PublishedNetwork, state: Mapping[str, Tensor]) -> nn.Module:
        generator = make_generator(self.registry, published.generator, published.config)
        with torch.random.fork_rng(devices=[]):  # initial weights, which are replaced, must not change the run
            network = generator.build()
        prefix = published.prefix
        tensors = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        network.load_state_dict(tensors)
        return with_normalised_io(network, generator).to(self.device).float().eval()

    @torch.no_grad()
    def _translate(self, network: nn.Module) -> list[np.ndarray]:
        drawn: list[np.ndarray] = []
        for start in range(0, len(self.photos), AT_ONCE):
            batch = torch.from_numpy(np.stack(self.photos[start : start + AT_ONCE])).to(self.device)
            found = network(batch.permute(0, 3, 1, 2).float() / 127.5 - 1)
            pixels = ((found.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
            drawn += list(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy())
        return drawn


def held_out_files(data: Any, base: Path) -> tuple[list[Path], list[Path]]:
    """Return the held-out files of `data.a` and `data.b`; of pairs those of the held-out pairs."""
    a, b = resolve_folders(data.a, base), resolve_folders(data.b, base)
    if isinstance(data, PairedData):
        pairs = require_pairs(a, b, data.hold_out)
        held_out = set(split_files(pairs.a, data.hold_out)[1])
        chosen = [pair for pair in zip(pairs.a, pairs.b, strict=True) if pair[0] in held_out]
        return [one for one, _ in chosen], [other for _, other in chosen]
    return split_files(list_pictures(a), data.hold_out)[1], split_files(list_pictures(b), data.hold_out)[1]


def line_of(steps: int, figures: Sequence[Figure], best: bool) -> str:
    """Return a line for the user: `step 200: held-out pictures: KID (...) 0.16 [0.14, 0.18], ...; the best so far`."""
    found = ", ".join(
        f"{figure.title} {figure.value:.4g}" + ("" if figure.low is None else f" [{figure.low:.3g}, {figure.high:.3g}]")
        for figure in figures
    )
    return f"step {steps}: held-out pictures: {found}{'; the best so far' if best else ''}"

"""Small folders of pictures and small runs for the tests of training."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
from PIL import Image


def domains(folder: Path, count: int = 6, size: int = 40) -> None:
    """Write `a/` (dark blobs on light ground) and `b/` (light stripes on dark ground)."""
    rng = np.random.default_rng(3)
    for name in "ab":
        (folder / name).mkdir()
        for i in range(count):
            picture = np.full((size, size, 3), 200 if name == "a" else 40, np.uint8)
            x, y = rng.integers(4, size - 14, 2)
            if name == "a":
                picture[y : y + 10, x : x + 10] = rng.integers(0, 90, 3)
            else:
                picture[:, x : x + 6] = rng.integers(150, 255, 3)
            Image.fromarray(picture).save(folder / name / f"{i}.png")


def run_yaml(folder: Path, recipe: str, **options: object) -> Path:
    """Write a run of a tiny network on the domains of this folder."""
    options = {"batch": 2, "discriminator_width": 8, **options}
    lines = "".join(f"{key}: {value}\n" for key, value in options.items())
    text = f"""\
    recipe: {recipe}
    generator: {{use: resnet, width: 8, blocks: 1, upsample: resize}}
    data: {{a: a, b: b, size: 32, hold_out: 1}}
    """
    path = folder / f"{recipe}.yaml"
    path.write_text(dedent(text) + lines)
    return path


def trained(path: Path, folder: Path, **options: Any) -> list[str]:
    """Train a run's YAML on the CPU, in fp32 and on one thread, each step in the log; return what was said."""
    import torch

    from henshin.registry import build_registry
    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import train

    said: list[str] = []
    registry = build_registry()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(
            load_run(path, registry),
            folder,
            registry,
            TrainOptions(device="cpu", precision="fp32", log_every=1, **options),
            said.append,
        )
    finally:
        torch.set_num_threads(threads)
    return said


def curves(folder: Path) -> dict[str, list[float]]:
    """What a run logged, by name; values of the steps that logged them."""
    found: dict[str, list[float]] = {}
    for line in (folder / "log.jsonl").read_text().splitlines():
        for name, value in json.loads(line).items():
            found.setdefault(name, []).append(value)
    return found


def last_state(folder: Path) -> dict[str, Any]:
    """All that the last checkpoint of a run holds, by the names that the recipe tracks."""
    from henshin.models.trained_weights import last_checkpoint
    from henshin.train.weights import checkpoint

    state: dict[str, Any] = checkpoint.load(last_checkpoint(folder))
    return state


def different(one: Any, other: Any, path: str = "") -> list[str]:
    """The places in which two states are not bit for bit the same."""
    import torch

    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [place for key in one for place in different(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [place for i, (a, b) in pairs for place in different(a, b, f"{path}.{i}")]
    same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if same else [path]

"""A whole recipe as small as one can be, as a plugin's file: for what a run does besides learning."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

PLUGIN = '''\
from henshin import Generator, GeneratorConfig, Recipe, RecipeConfig, hookimpl
from pydantic import Field

class DotConfig(GeneratorConfig):
    width: int = Field(4, description="Channels between the two.")

class Dot(Generator[DotConfig]):
    """Two convolutions."""
    name = "dot"
    Config = DotConfig

    def build(self):
        from torch import nn
        return nn.Sequential(nn.Conv2d(3, self.config.width, 3, 1, 1), nn.Tanh(), nn.Conv2d(self.config.width, 3, 1))

class DotsConfig(RecipeConfig):
    width: int = Field(4, description="Channels between the two.")
    steps: int = Field(12, description="Steps.")
    epoch: int = Field(4, description="Steps of an epoch.")
    sheet_every: int | None = Field(None, description="Steps between sheets.")
    rate: float = Field(0.01, description="Learning rate.")

class Dots(Recipe[DotsConfig]):
    """A generator of two convolutions learns against a discriminator of one; pictures and noise are random."""
    name = "dots"
    Config = DotsConfig

    def train(self, run):
        import torch
        from torch import nn
        from henshin.train.networks import EMA
        from henshin.train.data import ImagePool
        c = self.config
        network = run.generator("dot", {"width": c.width})
        ema = EMA(network).to(run.device)
        discriminator = nn.Conv2d(3, 1, 4, 2)
        network_steps = torch.optim.Adam(network.parameters(), c.rate)
        discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), c.rate)
        network, discriminator = run.prepare(network, discriminator)
        network_steps, discriminator_optimizer = run.prepare(network_steps, discriminator_optimizer)
        pool = ImagePool(3, run.rng)
        run.until(c.steps, c.epoch)
        run.track(network=network, ema=ema, discriminator=discriminator, network_steps=network_steps,
                  discriminator_optimizer=discriminator_optimizer, pool=pool)
        while run.step():
            real = torch.from_numpy(run.rng.random((2, 3, 16, 16), "float32")).to(run.device)
            fake = network(real + torch.randn_like(real))
            adversarial = (discriminator(fake) - 1).square().mean()
            network_steps.zero_grad()
            run.backward(adversarial)
            network_steps.step()
            ema.update(network.module)
            scores = discriminator(real), discriminator(pool(fake.detach()))
            loss = (scores[0] - 1).square().mean() + scores[1].square().mean()
            discriminator_optimizer.zero_grad()
            run.backward(loss)
            discriminator_optimizer.step()
            run.log(run.steps, adversarial=adversarial, discriminator=loss, real_score=scores[0].mean(),
                    fake_score=scores[1].mean(), rate=c.rate)
            if run.every(c.sheet_every or c.epoch):
                with torch.no_grad():
                    noise = torch.rand(2, 3, 16, 16)
                    run.sheet(f"{run.steps:07d}", [noise, ema(noise)], names=("noise", "drawing"))

@hookimpl
def henshin_generators():
    return [Dot]

@hookimpl
def henshin_recipes():
    return [Dots]
'''


@cache
def registry(folder: Path) -> Any:
    """All plugins, and the one above, which is written into this folder."""
    from henshin.registry import build_registry

    (folder / "dots.py").write_text(PLUGIN)
    return build_registry([folder / "dots.py"])


def dots(place: Path, run: str = "run", text: str = "", say: Any = None, show: Any = None, **options: Any) -> list[str]:
    """Train `dots` in `place/RUN`, in fp32 on one thread of the CPU; return what was said."""
    import torch

    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import train

    (place / "dots.yaml").write_text("recipe: dots\n" + text)
    plugins = registry(place)
    said: list[str] = []
    chosen = TrainOptions(**{"device": "cpu", "precision": "fp32", "log_every": 3, **options})
    plan = load_run(place / "dots.yaml", plugins, chosen.overrides)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(plan, place / run, plugins, chosen, say or said.append, show)
    finally:
        torch.set_num_threads(threads)
    return said


def log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without their times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "time"} for line in lines]

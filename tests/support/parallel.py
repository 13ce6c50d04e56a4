"""What a run on several processes does in the tests: it is imported by each of them."""

from __future__ import annotations

from pathlib import Path

from henshin.train.loop.launch import TrainingReporter

PLUGIN = '''\
import hashlib, json
from henshin import Recipe, RecipeConfig, hookimpl
from henshin.errors import HenshinError
from henshin_plugins.cyclegan.config import CycleGanConfig

class Watched(Recipe[CycleGanConfig]):
    """CycleGAN, after one step of a network whose gradient is known, with a look at all weights at the end."""
    name = "watched"
    Config = CycleGanConfig

    def train(self, run):
        import torch
        from torch import nn
        from henshin_plugins.cyclegan.recipe import train
        rank = run.processes.rank
        torch.manual_seed(rank)  # other weights in every process: the first one's count
        network = nn.Conv2d(3, 2, 3)
        spare = nn.Parameter(torch.ones(2))
        steps = torch.optim.SGD([*network.parameters(), spare], 0.5)
        network, steps = run.prepare(network, steps)
        x = torch.arange(2 * 3 * 5 * 5).float().view(2, 3, 5, 5).sin()
        mine = x if run.processes.world_size == 1 else x[rank : rank + 1]
        network(mine).square().mean().backward()
        steps.step()
        (run.folder.parent / f"{run.folder.name}-step{run.processes.world_size}-{rank}.json").write_text(json.dumps(
            [*network.weight.detach().flatten().tolist(), float(spare.grad is None)]))
        torch.manual_seed(self.config.seed)
        train(self.config, run)
        digest = {}
        for name, thing in run._tracked.items():
            found = {}
            from henshin.train.weights.checkpoint import pack
            pack(thing.state_dict(), name, found)
            whole = hashlib.sha256()
            for key in sorted(found):
                whole.update(found[key].numpy().tobytes())
            digest[name] = whole.hexdigest()
        (run.folder.parent / f"{run.folder.name}-{rank}.json").write_text(json.dumps(digest))

class FailingConfig(RecipeConfig):
    pass

class Failing(Recipe[FailingConfig]):
    """Something is wrong with the second process alone."""
    name = "failing"
    Config = FailingConfig

    def train(self, run):
        if run.processes.rank == 1:
            raise HenshinError("the second one cannot go on")
        import torch

        run.track(network=torch.nn.Linear(1, 1))
        while run.step():
            pass

@hookimpl
def henshin_recipes():
    return [Watched, Failing]
'''


class Lines:
    """Writes what is said into a file beside the run."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self) -> TrainingReporter:
        return TrainingReporter(self.say)

    def say(self, line: str) -> None:
        with self.file.open("a") as file:
            file.write(line + "\n")

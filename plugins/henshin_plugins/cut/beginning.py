"""The beginning of a run from trained weights, and the growth of a network by one halving.

A network is bound to the size of the pictures that it learned from. To learn twice that size it gets another halving
and doubling around its layers, which first learn to draw what the smaller network draws, enlarged (after Karras et al.,
"Progressive growing of GANs", ICLR 2018, who blend the new layers in instead).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError
from henshin.train.networks import MultiScaleDiscriminator
from henshin.train.weights import load_if_fitting, load_initial_weights, load_tensors, state_dict_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from henshin import Run
    from henshin.train.networks import EMA, DiscriminatorSet
    from henshin.train.weights.loading import InitialWeights

PICTURE_WEIGHT = 5.0
"""Weight of the L1 between pictures, relative to the mean squared error of the features below."""

GROWTH_RATE, GROWTH_BETAS = 2e-3, (0.9, 0.99)
"""Adam's settings for the new layers."""


@dataclass
class Growth:
    """A smaller network that a larger one learns to draw like, and the optimiser of the larger one's new layers."""

    smaller: Any
    optimizer: torch.optim.Optimizer

    def learn(self, run: Run, steps: int, generator: Any, ema: EMA, draw: Callable[[], list[Tensor]]) -> bool:
        """Let the new layers learn until step `steps` of the run; return False when the run ends before.

        `generator` is the larger network, prepared, `ema` its average, `draw` gives batches of pictures.
        """
        for _ in range(steps - run.steps):
            if not run.step():
                return False
            loss = self.loss(generator, torch.cat(draw()))
            self.optimizer.zero_grad()
            run.backward(loss)
            self.optimizer.step()
            ema.update(generator)
            run.log(run.steps, growth=loss)
        return True

    def loss(self, larger: Any, pictures: Tensor) -> Tensor:
        """Return how far `larger` is from the smaller network on pictures (N, 3, H, W), in features and in pixels."""
        reduced = F.avg_pool2d(pictures, 2)
        with torch.no_grad():
            features = self.smaller.features(reduced, (0,))[0]
            drawn = F.interpolate(self.smaller(reduced), scale_factor=2, mode="bicubic").clamp(-1, 1)
        found = larger.features(pictures, (1,))[0].float()
        return F.mse_loss(found, features) + PICTURE_WEIGHT * F.l1_loss(larger(pictures).float(), drawn)


def begin(
    run: Run, start: str | None, network: nn.Module, heads: nn.Module, discriminators: DiscriminatorSet
) -> Growth | None:
    """Load the weights that `start` names; return the growth if the network has a halving more than that of `start`.

    None without a start. Heads, and each discriminator, of a run are loaded if they fit, else they stay new, which is
    said. In a growth each scale of the patch discriminator but the finest gets the weights of the one before.
    Errors: HenshinError when there are no weights, or they are those of another network.
    """
    if start is None:
        return None
    weights = load_initial_weights(run.place(start), None, run.registry)
    growth = None
    if state_dict_mismatch(network.state_dict(), weights.tensors, ""):
        growth = _grown(run, weights, network)
    else:
        weights.load_into(network)
    if not load_if_fitting(heads, weights.states.get("heads")):
        run.say(f"{start} brings no heads that fit: new ones learn")
    states = discriminators.by_name(weights.states.get("discriminators", {}))
    new = [name for name, one in discriminators.items() if not load_if_fitting(one, states[name])]
    if new:
        run.say(f"{start} brings no discriminators ({', '.join(new)}) that fit: new ones learn")
    if growth is not None:
        growth.optimizer = run.prepare(growth.optimizer)
        for name, one in discriminators.items():
            if isinstance(one, MultiScaleDiscriminator) and name not in new:
                _shift_scales(one)
    return growth


def tracked(growth: Growth | None) -> dict[str, torch.optim.Optimizer]:
    """Return what a checkpoint holds of a growth."""
    return {} if growth is None else {"growth_optimizer": growth.optimizer}


def _grown(run: Run, weights: InitialWeights, network: Any) -> Growth:
    if not hasattr(network, "inner_layers"):
        weights.load_into(network)  # raises the error that names what differs
    inner = network.inner_layers(weights.tensors)
    if inner is None:
        options = ", ".join(f"{name}: {value}" for name, value in weights.choice.options.items())
        raise HenshinError(
            f"{weights.path}: {weights.choice.use} {{{options}}} is not the generator here, and does not grow into it; "
            "it must be the same, or have one of `downs` less, twice the `width`, and all else the same"
        )
    network.load_state_dict({**network.state_dict(), **inner})
    smaller: Any = run.generator(weights.choice)
    load_tensors(smaller, weights.tensors, str(weights.path), f"generator '{weights.choice.use}'")
    smaller.eval().requires_grad_(False).to(run.device)
    outer = [parameter for name, parameter in network.named_parameters() if name not in inner]
    return Growth(smaller, torch.optim.Adam(outer, GROWTH_RATE, GROWTH_BETAS))


def _shift_scales(discriminator: MultiScaleDiscriminator) -> None:
    """Give each scale but the finest the weights of the one before: it sees the size that that one has learned."""
    scales = list(discriminator.discriminators)
    for i in range(len(scales) - 1, 0, -1):
        scales[i].load_state_dict(scales[i - 1].state_dict())

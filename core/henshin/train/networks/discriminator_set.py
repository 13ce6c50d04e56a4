"""Several discriminators of one recipe: their scores and losses by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from henshin.train.data import to_float
from henshin.train.losses import GanLoss, discriminator_loss, generator_loss
from henshin.train.networks.discriminators import mean_score
from henshin.train.networks.projected import ProjectedDiscriminator

if TYPE_CHECKING:
    from henshin.train.data import ImageSet

ScoresByName = dict[str, list[list[Tensor]]]
"""Scores of each discriminator of a `DiscriminatorSet`, for each part of its batch."""

PROJECTED = "projected"
"""Name of the projected discriminator in the options of recipes."""

CALIBRATION_PICTURES = 32
"""Training pictures of each domain by which a projected discriminator is calibrated, at most."""


class DiscriminatorSet(nn.ModuleDict):
    """Discriminators by name, which score the same pictures.

    It reads the state of a single discriminator, too, as that of its first one: recipes tracked them so before they
    had several.
    """

    def forward(self, pictures: Tensor, parts: int = 1) -> ScoresByName:
        """Return the scores of (N, 3, H, W), a batch of `parts` equal parts, by name: for each part a list of tensors.

        A discriminator with batch norm takes one part after the other, any other the whole batch.
        """
        return {name: _scores_of_parts(discriminator, pictures, parts) for name, discriminator in self.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the state of these discriminators, or of the first alone. Errors: RuntimeError if it does not fit."""
        if self._is_of_one(state_dict):
            state_dict = {f"{next(iter(self))}.{key}": value for key, value in state_dict.items()}
        return super().load_state_dict(state_dict, strict, assign)

    def by_name(self, state_dict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the state of each of these discriminators in that of another set; {} for one that it lacks."""
        if self._is_of_one(state_dict):
            return {name: dict(state_dict) if name == next(iter(self)) else {} for name in self}
        parts = {name: f"{name}." for name in self}
        return {
            name: {key.removeprefix(part): value for key, value in state_dict.items() if key.startswith(part)}
            for name, part in parts.items()
        }

    def _is_of_one(self, state_dict: Mapping[str, Any]) -> bool:
        """Return whether a state is that of a single discriminator: its keys begin with no name."""
        return not any(key.partition(".")[0] in self for key in state_dict)


def make_discriminators(
    names: Sequence[str], makers: Mapping[str, Callable[[], nn.Module]], domains: Sequence[ImageSet]
) -> DiscriminatorSet:
    """Return the discriminators that a recipe's option names: its own by `makers`, and "projected".

    The projected one is calibrated on training pictures of the domains. Errors: MissingError without its weights.
    """
    discriminators: dict[str, nn.Module] = {}
    for name in names:
        if name == PROJECTED:
            projected = discriminators[name] = ProjectedDiscriminator()
            projected.calibrate(torch.cat([_training_sample(domain) for domain in domains]))
        else:
            discriminators[name] = makers[name]()
    return DiscriminatorSet(discriminators)


def gan_loss_of(name: str, gan: GanLoss) -> GanLoss:
    """Return the adversarial loss of a discriminator in a recipe with `gan`: "hinge" for the projected one."""
    return "hinge" if name == PROJECTED else gan


def join_parts(*batches: ScoresByName) -> ScoresByName:
    """Return the scores of batches that were scored one after the other as those of one batch of several parts."""
    return {name: [part for scores in batches for part in scores[name]] for name in batches[0]}


def discriminator_losses(gan: GanLoss, scores: ScoresByName) -> dict[str, Tensor]:
    """Return `discriminator_loss` by name; scores of a batch of two parts, real and fake pictures."""
    return {name: discriminator_loss(gan_loss_of(name, gan), real, fake) for name, (real, fake) in scores.items()}


def generator_losses(gan: GanLoss, scores: ScoresByName) -> dict[str, Tensor]:
    """Return `generator_loss` by name; scores of a batch of one part, generated pictures."""
    return {name: generator_loss(gan_loss_of(name, gan), fake) for name, (fake,) in scores.items()}


def total_loss(losses: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the losses of all discriminators."""
    return torch.stack(list(losses.values())).sum()


def values_by_name(key: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the values of several discriminators for the log, as KEY_NAME; none if there is one discriminator."""
    return {f"{key}_{name}": value for name, value in values.items()} if len(values) > 1 else {}


def mean_scores(
    gan: GanLoss, *sets: ScoresByName, keys: Sequence[str] = ("real_score", "fake_score")
) -> dict[str, Tensor]:
    """Return `mean_score` of each part of a batch for the log, as KEY, and KEY_NAME of several discriminators.

    `sets` are the scores of one set, or of one for each domain with the same names.
    """
    return {
        key if len(sets[0]) == 1 else f"{key}_{name}": mean_score(
            gan_loss_of(name, gan), [score for scores in sets for score in scores[name][part]]
        )
        for name in sets[0]
        for part, key in enumerate(keys)
    }


def _scores_of_parts(discriminator: nn.Module, pictures: Tensor, parts: int) -> list[list[Tensor]]:
    if any(isinstance(layer, nn.BatchNorm2d) for layer in discriminator.modules()):
        return [_as_list(discriminator(part)) for part in pictures.chunk(parts)]
    chunks = [score.chunk(parts) for score in _as_list(discriminator(pictures))]
    return [[chunk[part] for chunk in chunks] for part in range(parts)]


def _as_list(scores: Tensor | list[Tensor]) -> list[Tensor]:
    return [scores] if isinstance(scores, Tensor) else scores


def _training_sample(domain: ImageSet) -> Tensor:
    """Return some training pictures of a domain, evenly spaced, in [-1, 1]."""
    every = -(-len(domain.training) // CALIBRATION_PICTURES)
    return to_float(domain.training[::every])

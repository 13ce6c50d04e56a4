"""Adaptive discriminator augmentation: just as much of it as a small data set needs (Karras et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from henshin.train.augment import augment


class Adaptive:
    """Augments with a chance that follows the discriminator: more of it the surer it is of real pictures.

    Where the mean sign of its scores of real pictures is above `target`, it begins to know them by heart: the chance
    rises; it could go from 0 to 1 over `pictures` real ones. It stops at `most`: changes that most pictures undergo
    would end up in what the generator draws (paper: below 0.8 they do not). `every`: calls of `learn` a look.
    """

    def __init__(
        self,
        policy: tuple[str, ...],
        target: float = 0.6,
        pictures: int = 500_000,
        most: float = 0.8,
        chance: float = 0.0,
        every: int = 4,
    ) -> None:
        self.policy, self.target, self.pictures, self.most, self.every = policy, target, pictures, most, every
        self.chance = chance
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> as many, each changed or not; gradients flow."""
        return augment(pictures, self.policy, self.chance)

    @torch.no_grad()
    def learn(self, scores: Tensor) -> None:
        """Take note of a discriminator's logits of real pictures, any shape; now and then the chance follows them."""
        if not self.policy:
            return
        self._signs = self._signs.to(scores.device) + scores.detach().float().sign().sum()
        self._seen += scores.numel()
        self._calls += 1
        if self._calls < self.every:
            return
        sureness = float(self._signs) / self._seen
        step = self._seen / self.pictures * (1 if sureness > self.target else -1)
        self.chance = min(max(self.chance + step, 0.0), self.most)
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        return {"chance": self.chance, "signs": self._signs, "seen": self._seen, "calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.chance, self._signs = float(state["chance"]), state["signs"]
        self._seen, self._calls = int(state["seen"]), int(state["calls"])

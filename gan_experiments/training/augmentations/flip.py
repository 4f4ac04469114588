"""Horizontal flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gan_experiments.configuration.fields import at_least, at_most, setting
from gan_experiments.training.augmentations.augmentation import Augmentation
from gan_experiments.training.augmentations.transforms import mirrored


@dataclass
class FlipConfig:
    """Flips images left to right."""

    _target_: str = setting("gan_experiments.training.augmentations.flip.Flip", "class of the augmentation")
    name: str = setting("flip", "the augmentation's name")
    probability: float = setting(0.5, "share of the images that are flipped", at_least(0) & at_most(1))


class Flip(Augmentation):
    """Flips each image left to right with a probability.

    With one half, G learns mirror images as readily as the originals: right for clothes or faces, wrong for digits.

    Args:
        name: The augmentation's name; for display.
        probability: Share of the images that are flipped.
    """

    def __init__(self, name: str, probability: float) -> None:
        super().__init__(name)
        self.probability = probability

    def uniforms(self, sample_shape: Sequence[int]) -> int:
        """One: whether the image is flipped."""
        return 1

    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return the images, some of them flipped."""
        return mirrored(x, uniform[:, 0] < self.probability)

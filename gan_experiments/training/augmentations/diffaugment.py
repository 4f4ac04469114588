"""DiffAugment: colours, translation and cutout, always and equally strong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_experiments.configuration.fields import at_least, at_most, setting
from gan_experiments.training.augmentations.augmentation import Augmentation
from gan_experiments.training.augmentations.transforms import (
    brightened,
    chosen,
    contrasted,
    cut_out,
    is_zero,
    resampled,
    saturated,
    shifts,
)


@dataclass
class DiffAugmentConfig:
    """Colours, translation and cutout of constant strength (Zhao et al., 2020); a strength of 0 switches one off."""

    _target_: str = setting(
        "gan_experiments.training.augmentations.diffaugment.DiffAugment", "class of the augmentation"
    )
    name: str = setting("diffaugment", "the augmentation's name")
    probability: float = setting(1.0, "share of the images that are changed", at_least(0) & at_most(1))
    brightness: float = setting(0.5, "most that is added to all pixels or taken, of values in [-1, 1]", at_least(0))
    saturation: float = setting(1.0, "most that the factor of a pixel's colour differs from 1", at_least(0))
    contrast: float = setting(0.5, "most that the factor of the contrast differs from 1", at_least(0))
    translation: float = setting(
        0.125, "most that an image is moved, as a fraction of its size", at_least(0) & at_most(1)
    )
    cutout: float = setting(0.5, "height and width of a hole, as a fraction of the image's", at_least(0) & at_most(1))


class DiffAugment(Augmentation):
    """Changes brightness, saturation and contrast, moves the image by whole pixels and cuts a hole into it.

    Zhao, Liu, Lin, Zhu and Han, "Differentiable Augmentation for Data-Efficient GAN Training", 2020; the defaults and
    the order are those of their code, and what is moved in or cut out is 0, grey. Grey images have no saturation.

    Args:
        name: The augmentation's name; for display.
        probability: Share of the images that are changed; all in the paper.
        brightness: A number of ``U(-brightness, brightness)`` is added to all pixels.
        saturation: Distances from a pixel's grey are multiplied by ``U(1 - saturation, 1 + saturation)``.
        contrast: Distances from the image's mean are multiplied by ``U(1 - contrast, 1 + contrast)``.
        translation: Largest shift, of the height and of the width.
        cutout: Height and width of the hole, of the image's.
    """

    def __init__(
        self,
        name: str,
        probability: float,
        brightness: float,
        saturation: float,
        contrast: float,
        translation: float,
        cutout: float,
    ) -> None:
        super().__init__(name)
        self.probability = probability
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast
        self.translation, self.cutout = translation, cutout

    def uniforms(self, sample_shape: Sequence[int]) -> int:
        """One for whether, three for colours, two for the shift and two for the hole's place."""
        return 8

    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return the images, with other brightness, saturation, contrast and place, and with a hole."""
        decision, *colours, down, right, row, column = uniform.unbind(1)
        brightness, saturation, contrast = (2 * u - 1 for u in colours)
        y = brightened(x, self.brightness * brightness)
        if x.shape[1] > 1:
            y = saturated(y, 1 + self.saturation * saturation)
        y = contrasted(y, 1 + self.contrast * contrast)
        if not is_zero(self.translation):  # the dearest of them, and perceptrons do better without
            one = torch.ones_like(down)
            height, width = x.shape[-2:]
            moves = shifts(down, height, self.translation), shifts(right, width, self.translation)
            y = resampled(y, *moves, one, one)
        y = cut_out(y, row, column, self.cutout)
        return chosen(decision < self.probability, y, x)

"""ADA: an augmentation as strong as D's overfitting needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_experiments.configuration.fields import above, at_least, at_most, setting
from gan_experiments.training.augmentations.augmentation import Augmentation
from gan_experiments.training.augmentations.transforms import (
    brightened,
    chosen,
    contrasted,
    cut_out,
    mirrored,
    resampled,
    saturated,
    shifts,
)

_EDGE = 1e-6
"""Distance that a uniform number keeps from 0 and 1 where it becomes a normal one."""


@dataclass
class AdaConfig:
    """Changes whose probability follows D's overfitting (Karras et al., 2020); a size of 0 switches one off."""

    _target_: str = setting("gan_experiments.training.augmentations.ada.Ada", "class of the augmentation")
    name: str = setting("ada", "the augmentation's name")
    target: float = setting(0.6, "mean sign of D's real logits that the strength aims at", at_least(-1) & at_most(1))
    speed: float = setting(500_000, "real images that D sees while the strength changes by 1", above(0))
    interval: int = setting(4, "updates of D between changes of the strength", at_least(1))
    strength: float = setting(0.0, "probability of each change at the start", at_least(0) & at_most(1))
    limit: float = setting(0.8, "the largest strength; more lets changes leak into samples", at_least(0) & at_most(1))
    flip: float = setting(0.0, "1 for flips left to right too, which are wrong for digits", at_least(0) & at_most(1))
    translation: float = setting(
        0.125, "most that an image is moved, as a fraction of its size", at_least(0) & at_most(1)
    )
    scale: float = setting(0.2, "standard deviation of the enlargement's binary logarithm", at_least(0))
    aspect: float = setting(0.2, "the same of the ratio of width to height", at_least(0))
    brightness: float = setting(0.2, "standard deviation of what is added to all pixels", at_least(0))
    contrast: float = setting(0.5, "standard deviation of the contrast's binary logarithm", at_least(0))
    saturation: float = setting(1.0, "standard deviation of the saturation's binary logarithm", at_least(0))
    cutout: float = setting(0.0, "height and width of a hole, as a fraction of the image's", at_least(0) & at_most(1))


class Ada(Augmentation):
    """Changes images, each kind of change with the probability p, which follows D's overfitting.

    Karras, Aittala, Hellsten, Laine, Lehtinen and Aila, "Training Generative Adversarial Networks with Limited Data",
    2020. ``r_t = E[sign(D(x))]`` is 1 where D is sure of every image that it learns from. Every few updates p grows
    by a constant where r_t is above the target, and shrinks by it where r_t is below.

    Of the paper's changes these are here: flips, translation by whole pixels, isotropic and anisotropic scale,
    brightness, contrast, saturation and cutout. Rotations, hue and filters are not. What is moved in is 0, grey.

    Args:
        name: The augmentation's name; for display.
        target: r_t that p aims at.
        speed: Real images after which p may have gone from 0 to 1.
        interval: Updates of D over which r_t is averaged, and between changes of p.
        strength: p at the start.
        limit: The largest p.
        flip: Factor of p for flips, of which half change nothing.
        translation: Largest shift, of the height and of the width.
        scale: Enlargement by ``2^N(0, scale^2)``.
        aspect: Width by ``2^N(0, aspect^2)``, height by its inverse.
        brightness: ``N(0, brightness^2)`` is added.
        contrast: Distances from the image's mean are multiplied by ``2^N(0, contrast^2)``.
        saturation: Distances from a pixel's grey are multiplied by ``2^N(0, saturation^2)``.
        cutout: Height and width of the hole, of the image's.
    """

    changing: ClassVar = ("strength", "rt", "signs", "updates")
    metrics: ClassVar = ("strength", "rt")

    def __init__(
        self,
        name: str,
        target: float,
        speed: float,
        interval: int,
        strength: float,
        limit: float,
        flip: float,
        translation: float,
        scale: float,
        aspect: float,
        brightness: float,
        contrast: float,
        saturation: float,
        cutout: float,
    ) -> None:
        super().__init__(name)
        self.target, self.speed, self.interval, self.limit = target, speed, interval, limit
        self.flip, self.translation, self.scale, self.aspect = flip, translation, scale, aspect
        self.brightness, self.contrast, self.saturation, self.cutout = brightness, contrast, saturation, cutout
        # Numbers here, tensors where the step computes with them.
        self.strength: Any = strength
        self.rt: Any = 0.0
        self.signs: Any = 0.0
        self.updates: Any = 0.0

    def uniforms(self, sample_shape: Sequence[int]) -> int:
        """One for each of eight decisions, and nine for the values."""
        return 17

    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return the images, each changed by those kinds of changes that were drawn for it."""
        p = self.strength
        flip, move, scale, stretch, brighten, contrast, saturate, cut, *values = uniform.unbind(1)
        down, right, *deviates, row, column = values
        enlarged, widened, added, contrasts, colours = (
            torch.special.ndtri(u.clamp(_EDGE, 1 - _EDGE)) for u in deviates
        )
        nothing = torch.zeros_like(flip)
        # 1. Geometry, as one resampling.
        y = mirrored(x, flip < 0.5 * p * self.flip)
        height, width = x.shape[-2:]
        rows = torch.where(move < p, shifts(down, height, self.translation), nothing)
        columns = torch.where(move < p, shifts(right, width, self.translation), nothing)
        size = torch.where(scale < p, self.scale * enlarged, nothing)
        ratio = torch.where(stretch < p, self.aspect * widened, nothing)
        y = resampled(y, rows, columns, (size - ratio).exp2(), (size + ratio).exp2())
        # 2. Colours.
        y = brightened(y, torch.where(brighten < p, self.brightness * added, nothing))
        y = contrasted(y, torch.where(contrast < p, self.contrast * contrasts, nothing).exp2())
        if x.shape[1] > 1:
            y = saturated(y, torch.where(saturate < p, self.saturation * colours, nothing).exp2())
        # 3. A hole.
        return chosen(cut < p, cut_out(y, row, column, self.cutout), y)

    def after(self, real_logits: Tensor) -> tuple[Tensor, ...]:
        """Return p, the last r_t, and the sum of signs and the number of updates that the next r_t is the mean of."""
        signs, updates = self.signs + real_logits.sign().mean(), self.updates + 1.0
        due = updates >= self.interval
        rt = torch.where(due, signs / updates, self.rt)
        move = (rt - self.target).sign() * len(real_logits) * updates / self.speed
        strength = torch.where(due, (self.strength + move).clamp(min=0).clamp(max=self.limit), self.strength)
        nothing = torch.zeros_like(signs)
        return strength, rt, torch.where(due, nothing, signs), torch.where(due, nothing, updates)

"""No augmentation: D sees what there is."""

from __future__ import annotations

from dataclasses import dataclass

from gan_experiments.configuration.fields import setting


@dataclass
class NoAugmentationConfig:
    """D sees images as they are."""

    _target_: str = setting(
        "gan_experiments.training.augmentations.no_augmentation.none", "function that returns None"
    )
    name: str = setting("none", "the augmentation's name")


def none(name: str) -> None:
    """Return None: ``augment=none`` changes nothing, and costs nothing."""

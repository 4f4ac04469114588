"""A run as it enters training."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.models.networks import Networks
from gan_experiments.objectives import Objective
from gan_experiments.penalties import OnLogits, Penalty
from gan_experiments.training.augmentations.augmentation import Augmentation


@dataclass(frozen=True)
class Member:
    """A run as it enters training, by itself or in a stack.

    Attributes:
        networks: Its generator and discriminator, initialised from its own seed.
        train: Its settings. Members of a stack agree in all but length, the optimiser's settings, schedules, the
            decay of the EMA and instance noise.
        seed: Seed of its batches' order and of all its noise.
        objective: Its losses. Members of a stack share the class; the coefficients may differ.
        penalty: The penalty that D's loss has on top, or None. Members of a stack share the class.
        augmentation: What changes all that D sees, or None. Members of a stack share the class.
        rungs: Epochs after each of which samples are drawn, and the run may be asked to leave its slot.
    """

    networks: Networks
    train: TrainConfig
    seed: int
    objective: Objective
    penalty: Penalty | OnLogits | None = None
    augmentation: Augmentation | None = None
    rungs: Collection[int] = ()

"""Steps and epochs: how long a run is, and where its epochs end."""

from __future__ import annotations

from dataclasses import dataclass

from gan_experiments.configuration.schema import TrainConfig


@dataclass(frozen=True)
class RunLength:
    """Steps and epochs of a run: every batch is full, an epoch's tail joins the next one's head.

    Attributes:
        size: Samples in the data set.
        per_step: Samples that a step reads: batch size times discriminator steps.
        epochs: Epochs in all.
    """

    size: int
    per_step: int
    epochs: int

    @classmethod
    def of(cls, size: int, train: TrainConfig) -> RunLength:
        """Return the length of ``train`` on ``size`` samples."""
        return cls(size, train.batch_size * train.discriminator_steps, train.epochs)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.end_of(self.epochs)

    def end_of(self, epoch: float) -> int:
        """Return the number of steps after which every sample has been seen ``epoch`` times."""
        return int(-(-epoch * self.size // self.per_step))

    def finished(self, step: int) -> int:
        """Return the number of epochs that are over after ``step`` steps."""
        return min(step * self.per_step // self.size, self.epochs)

    def fraction(self, step: int) -> float:
        """Return the epochs that ``step`` steps make, with a fraction."""
        return min(step * self.per_step / self.size, float(self.epochs))

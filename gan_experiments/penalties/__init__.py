"""Terms on D's derivative, on top of an objective's loss of D."""

from gan_experiments.penalties.penalties import R1, R1R2, R2, Dragan, Gradient, Penalty, none

__all__ = ["R1", "R1R2", "R2", "Dragan", "Gradient", "Penalty", "none"]

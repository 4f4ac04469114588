"""No penalty: the objective's loss of D alone."""

from __future__ import annotations

from dataclasses import dataclass

from gan_experiments.configuration.fields import setting


@dataclass
class NoPenaltyConfig:
    """The objective's loss of D alone."""

    _target_: str = setting("gan_experiments.penalties.none", "function that returns None")
    name: str = setting("none", "the penalty's name")


def none(name: str) -> None:
    """Return None: ``penalty=none`` has no term, and costs nothing."""

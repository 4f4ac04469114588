"""Penalties on D's derivative or outputs, which D's loss has on top of the objective's."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from gan_experiments.data.batch import Batch
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.penalties import OnLogits, Penalty
from gan_experiments.training.member import Member
from gan_experiments.training.player import Player
from gan_experiments.training.stacked_terms import Terms


class PenaltyTerm:
    """One penalty on the derivative, of every member.

    The derivative takes a pass of D of its own, in float32 whatever the precision: squares of small derivatives
    are beyond bfloat16.

    Args:
        penalties: Each member's.
        sample_shape: Shape of one sample.
        batch: Samples in a batch.
        device: The device that D computes on.

    Attributes:
        uniforms: Random numbers needed for each sample.
        rows: Points at which the derivative is taken.

    Raises:
        UnstackableError: The penalties differ in class or structure.
    """

    def __init__(
        self, penalties: Sequence[Penalty], sample_shape: Sequence[int], batch: int, device: torch.device
    ) -> None:
        self._terms = Terms("penalties", penalties, device)
        self.uniforms = penalties[0].uniforms(prod(sample_shape))
        two = torch.zeros(2, *sample_shape, device=device)
        points = self._terms.probe("points", two, two, torch.zeros(2, self.uniforms, device=device))
        self.rows = points.shape[-1 - len(sample_shape)] * batch // 2
        self._terms.probe("value", two)

    def __call__(
        self, discriminator: Player, real: Batch, generated: Batch, uniform: Tensor, masks: Sequence[Tensor]
    ) -> Tensor:
        """Return the term for two batches, a scalar; for a stack, all have the members in front."""
        points = self._terms("points", real.x, generated.x, uniform)  # [rows, *sample_shape], or [K, rows, ...]
        # Each point belongs to a real and a generated sample, which have the same label.
        labels = None if real.y is None else torch.cat([real.y] * (self.rows // real.y.shape[-1]), -1)
        return self._terms("value", discriminator.input_gradient(Batch(points, labels), masks))


class LogitTerm:
    """One penalty on D's outputs, of every member.

    Args:
        penalties: Each member's.
        device: The device that D computes on.

    Attributes:
        terms: Computes all of them; what changes as they train belongs to the step's state.

    Raises:
        UnstackableError: The penalties differ in class or structure.
    """

    def __init__(self, penalties: Sequence[OnLogits], device: torch.device) -> None:
        self.terms = Terms("penalties", penalties, device)
        self.terms.probe("value", *torch.zeros(2, 2, device=device))

    def __call__(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the term for an update's logits, a scalar; for a stack, all have the members in front."""
        self.terms.change(real.detach(), fake.detach())
        return self.terms("value", real, fake)


def penalty_terms(
    members: Sequence[Member], sample_shape: Sequence[int], batch: int, device: torch.device
) -> tuple[list[PenaltyTerm], list[LogitTerm]]:
    """Return the terms that the members' objectives bring along, and those of ``penalty``; mostly none.

    Returns:
        Those on D's derivative, and those on its outputs.

    Raises:
        UnstackableError: The members' penalties differ in class or structure, or only some have one.
    """
    terms: list[PenaltyTerm] = []
    on_logits: list[LogitTerm] = []
    for penalties in (
        [getattr(member.objective, "penalty", None) for member in members],
        [member.penalty for member in members],
    ):
        given = [penalty for penalty in penalties if penalty is not None]
        if given and len(given) < len(penalties):
            raise UnstackableError("some members have a penalty and others none")
        of_logits = [penalty for penalty in given if isinstance(penalty, OnLogits)]
        of_derivative = [penalty for penalty in given if not isinstance(penalty, OnLogits)]
        if of_logits and of_derivative:
            raise UnstackableError("some members have a penalty on D's outputs and others one on its derivative")
        if of_logits:
            on_logits.append(LogitTerm(of_logits, device))
        if of_derivative:
            terms.append(PenaltyTerm(of_derivative, sample_shape, batch, device))
    return terms, on_logits

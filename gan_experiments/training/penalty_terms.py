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
        later: Those that may take a member's place.

    Attributes:
        terms: Computes all of them.
        uniforms: Random numbers needed for each sample.
        rows: Points at which the derivative is taken.

    Raises:
        UnstackableError: The penalties differ in class or structure.
    """

    def __init__(
        self,
        penalties: Sequence[Penalty],
        sample_shape: Sequence[int],
        batch: int,
        device: torch.device,
        later: Sequence[Penalty] = (),
    ) -> None:
        self.terms = Terms("penalties", penalties, device, later)
        self.uniforms = penalties[0].uniforms(prod(sample_shape))
        two = torch.zeros(2, *sample_shape, device=device)
        points = self.terms.probe("points", two, two, torch.zeros(2, self.uniforms, device=device))
        self.rows = points.shape[-1 - len(sample_shape)] * batch // 2
        self.terms.probe("value", two)

    def __call__(
        self, discriminator: Player, real: Batch, generated: Batch, uniform: Tensor, masks: Sequence[Tensor]
    ) -> Tensor:
        """Return the term for two batches, a scalar; for a stack, all have the members in front."""
        points = self.terms("points", real.x, generated.x, uniform)  # [rows, *sample_shape], or [K, rows, ...]
        # Each point belongs to a real and a generated sample, which have the same label.
        labels = None if real.y is None else torch.cat([real.y] * (self.rows // real.y.shape[-1]), -1)
        return self.terms("value", discriminator.input_gradient(Batch(points, labels), masks))


class LogitTerm:
    """One penalty on D's outputs, of every member.

    Args:
        penalties: Each member's.
        device: The device that D computes on.
        later: Those that may take a member's place.

    Attributes:
        terms: Computes all of them; what changes as they train belongs to the step's state.

    Raises:
        UnstackableError: The penalties differ in class or structure.
    """

    def __init__(self, penalties: Sequence[OnLogits], device: torch.device, later: Sequence[OnLogits] = ()) -> None:
        self.terms = Terms("penalties", penalties, device, later)
        self.terms.probe("value", *torch.zeros(2, 2, device=device))

    def __call__(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the term for an update's logits, a scalar; for a stack, all have the members in front."""
        self.terms.change(real.detach(), fake.detach())
        return self.terms("value", real, fake)


def penalties_of(member: Member) -> list[Penalty | OnLogits]:
    """Return what D's loss of a member has on top: what its objective brings along, and its ``penalty``."""
    given = (getattr(member.objective, "penalty", None), member.penalty)
    return [penalty for penalty in given if penalty is not None]


def penalty_terms(
    members: Sequence[Member],
    sample_shape: Sequence[int],
    batch: int,
    device: torch.device,
    later: Sequence[Member] = (),
) -> list[PenaltyTerm | LogitTerm]:
    """Return the terms of ``penalties_of`` all members; mostly none.

    Args:
        members: The members.
        sample_shape: Shape of one sample.
        batch: Samples in a batch.
        device: The device that D computes on.
        later: Members that may take another's place.

    Raises:
        UnstackableError: The members' penalties differ in class or structure, or only some have one.
    """
    everyone = [penalties_of(member) for member in (*members, *later)]
    if len({len(own) for own in everyone}) > 1:
        raise UnstackableError("some members have a penalty and others none")
    terms: list[PenaltyTerm | LogitTerm] = []
    for of_all in zip(*everyone, strict=True):
        kinds = {isinstance(penalty, OnLogits) for penalty in of_all}
        if len(kinds) > 1:
            raise UnstackableError("some members have a penalty on D's outputs and others one on its derivative")
        ours, others = of_all[: len(members)], of_all[len(members) :]
        if kinds == {True}:
            terms.append(LogitTerm(ours, device, others))
        else:
            terms.append(PenaltyTerm(ours, sample_shape, batch, device, others))
    return terms

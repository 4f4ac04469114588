"""LeCam: its averages, its term, and when it begins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_experiments.penalties import LeCam
from gan_experiments.training.penalty_terms import LogitTerm

CPU = torch.device("cpu")


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.randn(2, 8, generator=generator).add(torch.tensor([[1.0], [-0.5]]))) for _ in range(count)]  # type: ignore[misc]


@pytest.mark.parametrize("start", [0, 3])
def test_it_is_the_equation_of_the_paper(start: int) -> None:
    """Until it begins, the averages are the batch's own, as in the authors' code."""
    term = LogitTerm([LeCam("l", 0.3, 0.9, start)], CPU)
    average_real = average_fake = 0.0
    for update, (real, fake) in enumerate(batches(8), 1):
        decay = 0.9 if update > start + 1 else 0.0
        average_real = decay * average_real + (1 - decay) * real.mean().item()
        average_fake = decay * average_fake + (1 - decay) * fake.mean().item()
        real, fake = real.requires_grad_(), fake.requires_grad_()
        value = term(real, fake)
        expected = 0.3 * ((real - average_fake).relu() ** 2).mean() + 0.3 * ((average_real - fake).relu() ** 2).mean()
        if update <= start:
            expected = 0.0 * expected
        torch.testing.assert_close(value, expected)
        for ours, theirs in zip(
            torch.autograd.grad(value, (real, fake)), torch.autograd.grad(expected, (real, fake)), strict=True
        ):
            torch.testing.assert_close(ours, theirs)  # the averages are constants


def test_every_member_has_averages_of_its_own() -> None:
    kinds = [LeCam("l", 1.0, 0.5, 0), LeCam("l", 2.0, 0.9, 1)]
    together = LogitTerm(kinds, CPU)
    alone = [LogitTerm([kind], CPU) for kind in kinds]
    for (real, fake), (others_real, others_fake) in zip(batches(5), reversed(batches(5)), strict=True):
        value = together(torch.stack((real, others_real)), torch.stack((fake, others_fake)))
        torch.testing.assert_close(value, torch.stack((alone[0](real, fake), alone[1](others_real, others_fake))))
    for k in range(2):
        torch.testing.assert_close(together.terms.state(k), alone[k].terms.state(0))

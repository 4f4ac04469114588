"""Steps of small networks by any engine, on any device, alone or stacked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models import dcgan, mlp
from gan_experiments.models.networks import Networks
from gan_experiments.objectives import NonSaturating, Objective
from gan_experiments.penalties import Penalty
from gan_experiments.training.arithmetic import arithmetic
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.engine import REPLAYED, make_engine
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep

CPU = torch.device("cpu")
SHAPE, BATCH = (1, 8, 8), 8
STEPS = 2 * REPLAYED + 13
"""A first window, which is eager; then two graphs of several steps and some of one."""
SAMPLES = torch.randint(0, 256, (60, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
CUDA = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]
"""Where a test runs: on a CPU, where a recording is the graph, and on a GPU where there is one."""


class Noisy(nn.Module):
    """A layer that draws random numbers of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


def networks(kind: str, k: int, spectral_norm: bool = False) -> Networks:
    """Return member ``k``'s networks: ``mlp`` and ``dcgan``, whose sizes differ between members, or ``noisy``."""
    torch.manual_seed(k)
    if kind == "mlp":
        widths = [16, 24 + 8 * k], [24 - 4 * k, 16]
        return mlp.build(SHAPE, "mlp", 5 + k, *widths, 0.1 * (k + 1), 0.1 * (k + 2), spectral_norm)
    if kind == "dcgan":
        widths = [8, 4 + k], [4, 8 - k]
        return dcgan.build(SHAPE, "dcgan", 6 + k, *widths, 0.2 - 0.1 * k, 0.3, spectral_norm)
    generator = nn.Sequential(nn.Linear(6, 64), Noisy(), nn.Unflatten(1, SHAPE), nn.Tanh())
    return Networks(generator, nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.5), nn.Linear(16, 1)), 6)


def member(
    kind: str = "mlp",
    k: int = 0,
    objective: Objective | None = None,
    penalty: Penalty | None = None,
    spectral_norm: bool = False,
    **train: object,
) -> Member:
    """Return member ``k``, whose learning rate is its own."""
    settings = TrainConfig(**({"batch_size": BATCH, "lr": 2e-4 * (k + 1)} | train))  # type: ignore[arg-type]
    return Member(networks(kind, k, spectral_norm), settings, k, objective or NonSaturating("n"), penalty)


@dataclass(frozen=True)
class Result:
    """What some steps gave, on the CPU.

    Attributes:
        losses: Of D and of G at each step, ``[W, 2]``; for a stack ``[W, K, 2]``.
        weights: All of G's and of D's, at the end.
    """

    losses: Tensor
    weights: Tensor


def steps(engine: str, device: str | torch.device, members: list[Member], count: int = STEPS) -> Result:
    """Take steps in two windows."""
    device = torch.device(device)
    for one in members:
        one.networks.generator.to(device)
        one.networks.discriminator.to(device)
    train = members[0].train
    torch.manual_seed(7)  # for networks that draw numbers of their own
    step = AdversarialStep(members, Dataset("d", SAMPLES), SAMPLES.to(device))
    take = make_engine(engine, step, device)
    generator = torch.Generator().manual_seed(1)
    size = (count, train.discriminator_steps, BATCH)
    indices = torch.randint(0, len(SAMPLES), size, generator=generator)
    keys = torch.stack([step_keys(one.seed, 0, count) for one in members], 1)
    if len(members) == 1:
        keys = keys[:, 0]
    else:
        indices = indices.unsqueeze(1).repeat_interleave(len(members), 1)
    indices, keys = indices.to(device), keys.to(device)
    with arithmetic(train.precision):
        windows = [take(indices[part], keys[part]) for part in (slice(0, 7), slice(7, count))]
    losses = torch.cat([torch.stack((s.discriminator_loss, s.generator_loss), -1) for s in windows])
    weights = torch.cat([p.parameters.flat.flatten() for p in (step.generator, step.discriminator)])
    return Result(losses.float().cpu(), weights.cpu())


def assert_alike(a: Result, b: Result, tolerance: float = 1e-4) -> None:
    """Losses and weights agree."""
    torch.testing.assert_close(a.losses, b.losses, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(a.weights, b.weights, rtol=10 * tolerance, atol=tolerance)

"""What D makes of samples that it has never seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.data.dataset import Dataset
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.held_out import HeldOut
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer
from tests.support.steps import CPU, SAMPLES, member

DATASET = Dataset("d", SAMPLES[:40], validation=SAMPLES[40:])
NAMES = ("prob/learnt", "prob/held_out", "overfitting/discriminator")


class Knows(nn.Module):
    """A discriminator of known logits: for what it learns from, for what is held out, and for anything else."""

    def __init__(self, learnt: float, held_out: float, generated: float) -> None:
        super().__init__()
        self.values = ((DATASET.normalise(DATASET.samples), learnt), (DATASET.normalise(SAMPLES[40:]), held_out))
        self.otherwise = generated

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.full((len(x), 1), self.otherwise)
        for images, value in self.values:
            known = (x.flatten(1)[:, None] == images.flatten(1)).all(2).any(1)
            logits[known] = value
        return logits + 0.01 * x.flatten(1)[:, :1]  # no two logits are the same


@pytest.mark.parametrize(
    ("logits", "overfitting"),
    [((2.0, 2.0, -2.0), 0.0), ((2.0, 1.0, -2.0), 0.25), ((2.0, -2.0, -2.0), 1.0), ((2.0, -9.0, -2.0), 1.0)],
)
def test_overfitting_is_how_far_held_out_samples_lie_towards_generated_ones(
    logits: tuple[float, float, float], overfitting: float
) -> None:
    generator = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    metrics = HeldOut(DATASET, CPU).metrics(Knows(*logits), generator, 3)
    assert metrics["overfitting/discriminator"] == pytest.approx(overfitting, abs=0.01)
    expected = torch.sigmoid(torch.tensor(logits)).tolist()
    assert [metrics["prob/learnt"], metrics["prob/held_out"]] == pytest.approx(expected[:2], abs=0.01)


def epochs(dataset: Dataset, *members: Member) -> list[list[dict[str, float]]]:
    own: list[list[dict[str, float]]] = [[] for _ in members]
    for k, event in Trainer(members, dataset, device=CPU, samples=4).events():
        if isinstance(event, EpochFinished):
            own[k].append(event.metrics)
    return own


@pytest.mark.parametrize("kind", ["mlp", "dcgan"])
def test_it_is_measured_in_a_stack_as_alone(kind: str) -> None:
    def make(k: int) -> Member:
        return member(kind, k, epochs=3)

    for k, own in enumerate(epochs(DATASET, make(0), make(1))):
        (alone,) = epochs(DATASET, make(k))
        for mine, theirs in zip(own, alone, strict=True):
            assert [mine[name] for name in NAMES] == pytest.approx([theirs[name] for name in NAMES], abs=1e-3)


def test_it_changes_nothing_and_is_left_out_where_nothing_is_held_out() -> None:
    """Networks that draw numbers of their own draw the same ones with it as without."""

    def losses(dataset: Dataset) -> list[tuple[float, float]]:
        own = member("noisy", epochs=2)
        torch.manual_seed(5)
        (metrics,) = epochs(dataset, own)
        assert all((name in metrics[0]) is (dataset.validation is not None) for name in NAMES)
        return [(epoch["loss/discriminator"], epoch["loss/generator"]) for epoch in metrics]

    assert losses(DATASET) == losses(replace(DATASET, validation=None))


def test_a_large_d_learns_few_images_by_heart() -> None:
    (metrics,) = epochs(Dataset("d", SAMPLES[:16], validation=SAMPLES[16:]), member("mlp", lr=5e-3, epochs=60))
    assert metrics[0]["overfitting/discriminator"] == 0
    assert metrics[-1]["overfitting/discriminator"] > 0.5

"""What D makes of samples that it has never seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gan_experiments.data.dataset import Dataset
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.held_out import HeldOut, held_out
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
    metrics = HeldOut(DATASET, False, CPU).metrics(Knows(*logits), generator, 3)
    assert metrics["overfitting/discriminator"] == pytest.approx(overfitting, abs=0.01)
    expected = torch.sigmoid(torch.tensor(logits)).tolist()
    assert [metrics["prob/learnt"], metrics["prob/held_out"]] == pytest.approx(expected[:2], abs=0.01)


class Labelled(nn.Module):
    """A network that keeps what it is called with."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.inputs, self.labels = layer, [], []

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.inputs.append(x)
        self.labels.append(y)
        out = self.layer(x)
        return out.view(-1, 1, 8, 8) if isinstance(self.layer, nn.Linear) else out.mean(1)


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


def test_d_learns_few_images_by_heart() -> None:
    few = Dataset("d", SAMPLES[:30], validation=SAMPLES[30:])
    (metrics,) = epochs(few, member("mlp", lr=2e-3, epochs=80))
    first, last = metrics[0], metrics[-1]
    assert first["prob/learnt"] - first["prob/held_out"] < 0.05
    assert last["prob/learnt"] - last["prob/held_out"] > 0.2


def test_conditional_networks_need_the_labels_of_what_is_held_out() -> None:
    assert held_out(DATASET, True, CPU) is None
    labels = torch.arange(60) % 3
    known = replace(DATASET, labels=labels[:40], validation_labels=labels[40:])
    generator, discriminator = Labelled(nn.Linear(3, 64)), Labelled(nn.Flatten())
    measured = held_out(known, True, CPU)
    assert measured is not None
    measured.metrics(discriminator, generator, 3)
    # As often as each class occurs, D and G are asked for it.
    assert [len(y) for y in discriminator.labels] == [20] * 3
    assert torch.equal(discriminator.labels[0], generator.labels[0])
    matches = (DATASET.normalise(DATASET.samples).flatten(1)[:, None] == discriminator.inputs[0].flatten(1)).all(2)
    assert torch.equal(labels[matches.int().argmax(0)], discriminator.labels[0])

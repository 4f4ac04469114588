"""Labels in training: both networks see them, a member of a stack equals its solo run, penalties know them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models import dcgan, mlp
from gan_experiments.models.networks import Networks
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.objectives import NonSaturating
from gan_experiments.penalties import R1R2, Gradient, Penalty
from gan_experiments.training.augmentations.diffaugment import DiffAugment
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.events import CheckpointDue, SamplesDrawn, StepsFinished
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep
from gan_experiments.training.trainer import Trainer
from tests.support.steps import DEVICES

SHAPE, CLASSES, B = (1, 8, 8), 3, 8
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % CLASSES
    samples = torch.randint(0, 80, (60, *SHAPE), generator=generator, dtype=torch.uint8)
    return Dataset("labelled", samples + 80 * labels.to(torch.uint8).view(-1, 1, 1, 1), labels)


def member(
    kind: str, condition: str, k: int = 0, penalty: Penalty | None = None, weight: float = 1.0, **train: Any
) -> Member:
    torch.manual_seed(k)
    options = {"condition": condition, "auxiliary_weight": weight, "classes": CLASSES}
    if kind == "mlp":
        pair = mlp.build(SHAPE, "mlp", 4 + k, [16, 24 + 8 * k], [24, 16 - 4 * k], 0.1 * (k + 1), 0.2, **options)
    else:
        pair = dcgan.build(SHAPE, "dcgan", 6, [8, 4], [4, 8], 0.2, 0.2, **options)
    settings = {"epochs": 14, "batch_size": B, "lr": 1e-3 * (k + 1)}
    return Member(pair, TrainConfig(**(settings | train)), k, NonSaturating("n"), penalty)


def trained(
    dataset: Dataset, *members: Member, state: dict[str, Any] | None = None, device: str = "cpu"
) -> tuple[Trainer, list[list[Any]]]:
    trainer = Trainer(members, dataset, device=torch.device(device), samples=7)
    if state is not None:
        trainer.load(state)
    events: list[list[Any]] = [[] for _ in members]
    for k, event in trainer.events():
        events[k].append(event)
    return trainer, events


def losses(events: list[Any]) -> np.ndarray:
    windows = [event for event in events if isinstance(event, StepsFinished)]
    return np.concatenate([np.stack((w.discriminator_loss, w.generator_loss)) for w in windows], 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("condition", ["concat", "projection", "auxiliary"])
def test_captured_steps_take_labels_along(dataset: Dataset, condition: str, members: int, device: str) -> None:
    captured, called = (
        trained(dataset, *(member("mlp", condition, k, engine=engine) for k in range(members)), device=device)[1][0]
        for engine in ("graph", "eager")
    )
    tolerance = 0 if device == "cpu" else 1e-4
    np.testing.assert_allclose(losses(captured), losses(called), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["mlp", "dcgan"])
@pytest.mark.parametrize("condition", ["concat", "projection", "auxiliary"])
def test_every_member_equals_its_solo_run(dataset: Dataset, kind: str, condition: str) -> None:
    settings = [{"weight": 0.5, "penalty": R1R2("r", 0.1)}, {"k": 1, "weight": 2.0, "penalty": R1R2("r", 1.0)}]
    _, stacked = trained(dataset, *(member(kind, condition, **one) for one in settings))
    for one, events in zip(settings, stacked, strict=True):
        _, (alone,) = trained(dataset, member(kind, condition, **one))
        together = losses(events)[:, :100]
        assert together.shape[1] == 100
        np.testing.assert_allclose(together, losses(alone)[:, :100], rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("condition", ["concat", "projection", "auxiliary"])
def test_labels_reach_both_networks(dataset: Dataset, condition: str) -> None:
    """G draws each class as it is, and D knows the classes."""
    trainer, _ = trained(dataset, member("mlp", condition, epochs=60, betas=[0.5, 0.99]))
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    generator = trainer.generator()
    means = [generator(z, torch.full((50,), label)).mean().item() for label in range(CLASSES)]
    assert means[0] < means[1] - 0.2 < means[2] - 0.4


def test_the_losses_of_an_auxiliary_classifier(dataset: Dataset) -> None:
    """Both players minimise the mean cross-entropy of the classes too, of real and of generated samples."""
    own = member("mlp", "auxiliary", weight=0.7)
    own.networks.discriminator.eval()  # without dropout, so that the loss can be computed here
    step = AdversarialStep([own], dataset, dataset.samples)
    indices = torch.arange(B)[None]
    keys = step_keys(0, 0, 1)[0]
    latents = step._draws.draw(keys).latents
    labels = dataset.labels[:B]
    with torch.no_grad():
        fake = own.networks.generator(latents[:B], labels)
        real_logits, of_real = own.networks.discriminator(dataset.normalise(dataset.samples[:B]), labels)
        fake_logits, of_fake = own.networks.discriminator(fake, labels)
        expected = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        expected += 0.7 * (F.cross_entropy(of_real, labels) + F.cross_entropy(of_fake, labels))
    torch.testing.assert_close(step(indices, keys).discriminator_loss, expected)


def test_pictures_have_a_column_a_class(dataset: Dataset) -> None:
    _, (events,) = trained(dataset, member("mlp", "concat", epochs=1))
    pictures = [event for event in events if isinstance(event, SamplesDrawn)]
    assert {len(event.samples) for event in pictures} == {6}  # of the seven asked for, the last would begin a row


def test_a_resumed_run_ends_with_the_same_weights(dataset: Dataset) -> None:
    settings = {"epochs": 4, "checkpoint_every": 2, "penalty": Gradient("g", 10.0)}
    whole, (events,) = trained(dataset, member("dcgan", "projection", **settings))
    states = [event.state for event in events if isinstance(event, CheckpointDue)]
    resumed, _ = trained(dataset, member("dcgan", "projection", **settings), state=states[1])
    for mine, theirs in zip(whole.generator().parameters(), resumed.generator().parameters(), strict=True):
        assert torch.equal(mine, theirs)


class OwnGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.linear = nn.Embedding(CLASSES, 4), nn.Linear(4, 64)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(self.linear(z * self.embedding(y))).unflatten(1, SHAPE)


class OwnDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 1 + CLASSES)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.linear(x.flatten(1))[:, 0], self.linear(x.flatten(1))[:, 1:]


def test_networks_of_one_s_own_take_labels_and_may_name_classes(dataset: Dataset) -> None:
    def own(k: int) -> Member:
        torch.manual_seed(k)
        pair = Networks(OwnGenerator(), OwnDiscriminator(), 4, classes=CLASSES, auxiliary_weight=0.5 + k)
        return Member(pair, TrainConfig(epochs=2, batch_size=B), k, NonSaturating("n"))

    _, stacked = trained(dataset, own(0), own(1))
    for k in (0, 1):
        _, (alone,) = trained(dataset, own(k))
        np.testing.assert_allclose(losses(stacked[k]), losses(alone), rtol=2e-4, atol=2e-4)


def test_what_cannot_be_says_why(dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"model\.condition=concat: needs labels, and these data have none"):
        mlp.build(SHAPE, "mlp", 4, [8], [8], 0.2, 0.0, condition="concat")
    with pytest.raises(UserError, match="data=plain: has no labels, and the networks need them"):
        trained(Dataset("plain", dataset.samples), member("mlp", "concat"))
    with pytest.raises(ValueError, match="conditional"):
        member("mlp", "concat").networks.generator(torch.zeros(1, 4))
    with pytest.raises(UnstackableError, match="classes"):
        trained(dataset, member("mlp", "concat"), member("mlp", "none"))


def labelled(k: int) -> Member:
    """One of eight: other widths, slopes, rates and strengths of augmentation."""
    augmentation = DiffAugment("d", k / 7, 0.1 * k, 0.0, 0.2, 0.125 * (k % 3), 0.1 * k)
    return replace(member("mlp", "projection", k=k % 4, epochs=14, ema=0.9), augmentation=augmentation, seed=k)


@pytest.mark.slow
def test_eight_runs_fused_and_alone_and_resumed(dataset: Dataset) -> None:
    together, stacked = trained(dataset, *(labelled(k) for k in range(8)))
    for k in range(8):
        _, (alone,) = trained(dataset, labelled(k))
        np.testing.assert_allclose(losses(stacked[k])[:, :100], losses(alone)[:, :100], rtol=2e-4, atol=2e-4)
    resumed = Trainer([labelled(k) for k in range(8)], dataset, device=CPU, samples=7)
    for k in range(8):
        states = [event.state for event in stacked[k] if isinstance(event, CheckpointDue)]
        resumed.load(states[1], k)
    assert 0 < resumed.step < together.step
    for _ in resumed.events():
        pass
    for k in range(8):
        ours, theirs = (trainer.state(k)["step_state"]["generator_average"] for trainer in (together, resumed))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)

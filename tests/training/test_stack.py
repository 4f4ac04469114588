"""A member of a stack equals its solo run, whatever stands beside it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models import dcgan
from gan_experiments.models.mlp import build
from gan_experiments.models.networks import Networks
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.objectives import NonSaturating
from gan_experiments.penalties import R1
from gan_experiments.training.events import (
    CheckpointDue,
    Diverged,
    EpochFinished,
    SamplesDrawn,
    StepsFinished,
    Stopped,
)
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep
from gan_experiments.training.trainer import Trainer

SHAPE = (1, 6, 6)


@pytest.fixture
def dataset():
    generator = torch.Generator().manual_seed(0)
    return Dataset("tiny", torch.randint(0, 256, (90, *SHAPE), generator=generator, dtype=torch.uint8))


def member(seed=0, latent_dim=12, g=(24, 40), d=(40, 24), slope=0.2, dropout=0.3, **train):
    torch.manual_seed(seed)
    networks = build(SHAPE, "mlp", latent_dim, list(g), list(d), slope, dropout)
    settings = TrainConfig(**({"epochs": 9, "batch_size": 8, "checkpoint_every": 3} | train))
    return Member(networks, settings, seed, NonSaturating("n"))


OTHERS = [
    {"seed": 4, "latent_dim": 5, "g": (16, 8), "d": (64, 16)},
    {"seed": 0, "latent_dim": 20, "g": (48, 64), "d": (32, 48), "slope": 0.01},
    {"seed": 2, "dropout": 0.0, "lr": 1e-3},
    {"seed": 3, "dropout": 0.5, "betas": [0.5, 0.9]},
    {"seed": 1, "slope": -0.1, "generator_lr": 5e-5},
    {"seed": 9, "g": (64, 40), "discriminator_lr": 1e-3},
]


def train(dataset, members):
    trainer = Trainer(members, dataset, device=torch.device("cpu"), samples=4, sample_every=3)
    events = [[] for _ in members]
    for k, event in trainer.events():
        events[k].append(event)
    return trainer, events


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def losses(events):
    windows = of(StepsFinished, events)
    return np.stack(
        [np.concatenate([getattr(w, f"{p}_loss") for w in windows]) for p in ("discriminator", "generator")]
    )


@pytest.mark.parametrize("others", [OTHERS[:1], OTHERS], ids=["stack of 2", "stack of 7"])
def test_every_member_equals_its_solo_run(dataset, others):
    """Over the first hundred steps losses agree to 1e-4, samples to one grey level."""
    specs = [{}, *others]
    trainer, stacked = train(dataset, [member(**spec) for spec in specs])
    assert trainer.length.total_steps >= 100
    for spec, events in zip(specs, stacked, strict=True):
        _, (alone,) = train(dataset, [member(**spec)])
        assert [type(e) for e in events] == [type(e) for e in alone]
        np.testing.assert_allclose(losses(events), losses(alone), rtol=1e-4, atol=1e-4)
        for mine, theirs in zip(of(SamplesDrawn, events), of(SamplesDrawn, alone), strict=True):
            assert (mine.samples.int() - theirs.samples.int()).abs().max() <= 1
        for mine, theirs in zip(of(EpochFinished, events), of(EpochFinished, alone), strict=True):
            assert mine.metrics["prob/fake"] == pytest.approx(theirs.metrics["prob/fake"], abs=1e-4)
            assert mine.metrics["grad_norm/generator"] == pytest.approx(
                theirs.metrics["grad_norm/generator"], rel=1e-2
            )


def assert_padding_is_zero(trainer, members):
    step = trainer._step
    for player in (step.generator, step.discriminator):
        parameters, state = player.parameters, step._optimizers[player].state
        for tensor in (parameters.flat, parameters.gradient, *state.values()):
            padded = tensor.clone()
            for k in range(members):
                for part in parameters.named(k, padded).values():
                    part.zero_()
            assert not padded.any()
            assert tensor.any()


def test_padding_stays_exactly_zero(dataset):
    trainer, _ = train(dataset, [member(), *(member(**spec) for spec in OTHERS)])
    assert_padding_is_zero(trainer, len(OTHERS) + 1)


def convolutional(k, spectral_norm=False, penalty=None, **train):
    torch.manual_seed(k)
    widths = [[6, 4], [3, 6], [2, 3]][k], [[4, 6], [6, 2], [3, 8]][k]
    networks = dcgan.build((1, 8, 8), "dcgan", 4 + 3 * k, *widths, [0.2, 0.1, -0.1][k], 0.2 * k, spectral_norm)
    settings = TrainConfig(**({"epochs": 9, "batch_size": 8, "lr": 1e-4 * (k + 1)} | train))
    return Member(networks, settings, k, NonSaturating("n"), penalty)


@pytest.fixture
def larger():
    return Dataset("larger", torch.randint(0, 256, (90, 1, 8, 8), dtype=torch.uint8))


@pytest.mark.parametrize(
    ("members", "spectral_norm", "penalty"),
    [(2, False, None), pytest.param(3, True, R1("r1", 1.0), marks=pytest.mark.slow)],
)
def test_convolutions_of_other_widths_equal_their_solo_runs(larger, members, spectral_norm, penalty):
    """Widths, latent dimensions, slopes and dropout differ; batch norm's statistics are those of the solo runs."""
    trainer, stacked = train(larger, [convolutional(k, spectral_norm, penalty) for k in range(members)])
    assert trainer.length.total_steps >= 100
    for k, events in enumerate(stacked):
        solo, (alone,) = train(larger, [convolutional(k, spectral_norm, penalty)])
        np.testing.assert_allclose(losses(events), losses(alone), rtol=1e-4, atol=1e-4)
        mine, theirs = (t.state(i)["step_state"] for t, i in ((trainer, k), (solo, 0)))
        for player in ("generator", "discriminator"):
            assert mine[player].keys() == theirs[player].keys()
            for name, tensor in mine[player].items():
                torch.testing.assert_close(tensor, theirs[player][name], rtol=1e-2, atol=1e-4, msg=name)
    assert_padding_is_zero(trainer, members)


def test_convolutions_in_bfloat16_stay_near_their_solo_runs(larger):
    """Batch norm and convolutions are autocast under vmap as they are alone: to the roundings of bfloat16."""
    settings = {"epochs": 2, "precision": "bf16"}
    _, stacked = train(larger, [convolutional(k, **settings) for k in range(2)])
    for k, events in enumerate(stacked):
        _, (alone,) = train(larger, [convolutional(k, **settings)])
        _, (exact,) = train(larger, [convolutional(k, epochs=2)])
        np.testing.assert_allclose(losses(events), losses(alone), atol=0.02)
        assert (losses(events) != losses(exact)).any()


def test_a_member_that_diverges_is_reported_and_the_others_do_not_notice(dataset):
    specs = [{}, {"seed": 5, "lr": 1e12}, {"seed": 6}]
    _, stacked = train(dataset, [member(**spec) for spec in specs])
    # A stack of the same size: in which order a batched product sums may depend on how many it computes at once.
    _, healthy = train(dataset, [member(**spec) for spec in (specs[0], {"seed": 5}, specs[2])])
    assert isinstance(stacked[1][-1], Diverged)
    assert [e.step for e in of(CheckpointDue, stacked[1])] == [0]
    assert not isinstance(healthy[1][-1], Diverged)
    np.testing.assert_array_equal(losses(stacked[0]), losses(healthy[0]))
    np.testing.assert_array_equal(losses(stacked[2]), losses(healthy[2]))


@pytest.mark.parametrize("averaged", [False, True])
def test_members_continue_from_their_checkpoints_alone_or_together(dataset, averaged):
    ema = {"ema": 0.9} if averaged else {}
    specs = [{**ema}, {**OTHERS[0], **ema}, {**OTHERS[3], **ema}]
    _, whole = train(dataset, [member(**spec) for spec in specs])

    first = Trainer(
        [member(**spec) for spec in specs],
        dataset,
        device=torch.device("cpu"),
        samples=4,
        sample_every=3,
    )
    states, before = {}, [[] for _ in specs]
    for k, event in first.events():
        before[k].append(event)
        if isinstance(event, EpochFinished) and event.epoch == 5:
            first.request_stop()
        if isinstance(event, CheckpointDue):
            states[k] = event.state
            first.generator(k)  # fills the module that the state was read from with the averaged weights
    assert all(isinstance(events[-1], Stopped) for events in before)

    together = Trainer(
        [member(**spec) for spec in specs],
        dataset,
        device=torch.device("cpu"),
        samples=4,
        sample_every=3,
    )
    for k, state in states.items():
        together.load(state, k)
    after = [[] for _ in specs]
    for k, event in together.events():
        after[k].append(event)
    for k, spec in enumerate(specs):
        np.testing.assert_array_equal(np.concatenate((losses(before[k]), losses(after[k])), 1), losses(whole[k]))
        alone = Trainer([member(**spec)], dataset, device=torch.device("cpu"), samples=4, sample_every=3)
        alone.load(states[k])
        np.testing.assert_allclose(losses([e for _, e in alone.events()]), losses(after[k]), rtol=1e-3, atol=1e-3)


class Convolutional(nn.Module):
    """A user's own discriminator: convolution, batch normalisation, the library's dropout."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2, 1, bias=False),
            nn.BatchNorm2d(4),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(36, 1),
        )

    def forward(self, x):
        return self.body(x)


def foreign(seed, last=None):
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(6, 36, bias=False), nn.BatchNorm1d(36), nn.Tanh(), nn.Unflatten(1, SHAPE))
    discriminator = Convolutional()
    if last is not None:
        discriminator.body[4] = last
    return Networks(generator, discriminator, latent_dim=6)


def test_a_user_s_networks_stack_through_vmap(dataset):
    def make(seed):
        settings = TrainConfig(epochs=9, batch_size=8, checkpoint_every=3, lr=1e-4 * (seed + 1))
        return Member(foreign(seed), settings, seed, NonSaturating("n"))

    trainer, stacked = train(dataset, [make(seed) for seed in range(3)])
    for seed in range(3):
        solo, (alone,) = train(dataset, [make(seed)])
        np.testing.assert_allclose(losses(stacked[seed]), losses(alone), rtol=1e-3, atol=1e-3)
        for (name, mine), theirs in zip(
            trainer.state(seed)["step_state"]["discriminator"].items(),
            solo.state()["step_state"]["discriminator"].values(),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-3, msg=name)


def test_what_cannot_be_stacked_says_why(dataset):
    def stack(*pairs):
        members = [Member(pair, TrainConfig(batch_size=8), 0, NonSaturating("n")) for pair in pairs]
        AdversarialStep(members, dataset, dataset.samples)

    with pytest.raises(UnstackableError, match="depth"):
        stack(member().networks, member(g=(8,)).networks)
    with pytest.raises(UnstackableError, match="classes"):
        stack(member().networks, foreign(0))
    wider = foreign(0)
    wider.discriminator.body[5] = nn.Linear(36, 2)
    with pytest.raises(UnstackableError, match=r"body\.5\.weight"):
        stack(foreign(0), wider)
    with pytest.raises(UnstackableError, match="how they treat a batch"):
        stack(foreign(0), replace(foreign(0), per_sample=True))

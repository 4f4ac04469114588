"""Objectives and penalties as the step applies them, alone and in a stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models import dcgan
from gan_experiments.models.mlp import build
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.objectives import (
    Hinge,
    LeastSquares,
    NonSaturating,
    Relativistic,
    Wasserstein,
    WassersteinGP,
)
from gan_experiments.penalties import R1, R1R2, R2, Dragan, Gradient, LeCam
from gan_experiments.training.augmentations.ada import Ada
from gan_experiments.training.counter_rng import FieldNoise, StepNoise, step_keys
from gan_experiments.training.events import CheckpointDue, Completed, EpochFinished, StepsFinished, Stopped
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep
from gan_experiments.training.trainer import Trainer

SHAPE, B, LATENT = (1, 4, 4), 8, 6
CPU = torch.device("cpu")


@pytest.fixture
def dataset():
    generator = torch.Generator().manual_seed(0)
    return Dataset("tiny", torch.randint(0, 256, (45, *SHAPE), generator=generator, dtype=torch.uint8))


def member(
    objective, penalty=None, seed=0, latent_dim=LATENT, g=(10,), d=(12, 10), dropout=0.3, spectral_norm=False, **train
):
    torch.manual_seed(seed)
    networks = build(SHAPE, "mlp", latent_dim, list(g), list(d), 0.2, dropout, spectral_norm)
    settings = TrainConfig(**({"epochs": 4, "batch_size": B, "checkpoint_every": 2, "lr": 1e-3} | train))
    return Member(networks, settings, seed, objective, penalty)


def convolutional(seed, spectral_norm):
    torch.manual_seed(seed)
    pair = dcgan.build(SHAPE, "dcgan", LATENT, [4, 3], [3, 4], 0.2, 0.2 * seed, spectral_norm)
    settings = TrainConfig(epochs=3, batch_size=B, lr=1e-3 * (seed + 1))
    return Member(pair, settings, seed, NonSaturating("n"), R1("r", 0.5 + seed))


def trainer(dataset, *members):
    return Trainer(members, dataset, device=CPU, samples=4, sample_every=9)


def losses(events):
    windows = [event for event in events if isinstance(event, StepsFinished)]
    return np.stack(
        [np.concatenate([w.discriminator_loss for w in windows]), np.concatenate([w.generator_loss for w in windows])]
    )


def trained(dataset, *members):
    """Losses of each member, ``[2, steps]``."""
    events = [[] for _ in members]
    for k, event in trainer(dataset, *members).events():
        events[k].append(event)
    assert all(isinstance(own[-1], Completed) for own in events)
    return [losses(own) for own in events]


def discriminator_of(network):
    layers = [
        part
        for layer in network.layers
        for part in (nn.Linear(layer.in_features, layer.out_features), nn.LeakyReLU(0.2))
    ]
    copy = nn.Sequential(nn.Flatten(), *layers[:-1], nn.Flatten(0))
    for parameter, value in zip(copy.parameters(), network.parameters(), strict=True):
        parameter.data = value.detach().clone()
    return copy


def norms(discriminator, points):
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


@pytest.mark.parametrize("kind", [R1, R2, R1R2, Gradient, Dragan])
@pytest.mark.parametrize("updates", [1, 2])
def test_d_s_update_is_the_one_of_a_loop_with_the_penalty_written_out(dataset, kind, updates):
    own = member(Hinge("h"), kind("p", 0.5), dropout=0.0, discriminator_steps=updates)
    discriminator = discriminator_of(own.networks.discriminator)
    step = AdversarialStep([own], dataset, dataset.samples)
    adam = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    keys, size = step_keys(0, 0, 1)[0], 16
    indices = torch.arange(updates * B).view(updates, B)
    *latents, _ = StepNoise((updates + 1) * B, LATENT, [], CPU).draw(keys)[0].split(B)
    count = {Gradient: 1, Dragan: 1 + size}.get(kind, 0)
    uniform = FieldNoise((0, size), [(updates * B, count)], CPU).draw(keys)[1][0].split(B)
    with torch.no_grad():
        generated = [own.networks.generator(z) for z in latents]
    for index, fake, u in zip(indices, generated, uniform, strict=True):
        x = dataset.normalise(dataset.samples[index])
        loss = F.relu(1 - discriminator(x)).mean() + F.relu(1 + discriminator(fake)).mean()
        if kind in (R1, R1R2):
            loss = loss + 0.25 * norms(discriminator, x).square().mean()
        if kind in (R2, R1R2):
            loss = loss + 0.25 * norms(discriminator, fake).square().mean()
        if kind is Gradient:
            e = u.view(B, 1, 1, 1)
            loss = loss + 0.5 * (norms(discriminator, e * x + (1 - e) * fake) - 1).square().mean()
        if kind is Dragan:
            near = x + 0.5 * x.std(correction=0) * (u[:, :1] * u[:, 1:]).view(x.shape)
            loss = loss + 0.5 * (norms(discriminator, near) - 1).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    statistics = step(indices, keys)
    torch.testing.assert_close(statistics.discriminator_loss, loss.detach(), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(own.networks.discriminator.parameters(), discriminator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


STACKS = {
    "smoothing and R1": [(NonSaturating("n", s), R1("r", w)) for s, w in ((0.0, 1.0), (0.1, 0.0), (0.2, 5.0))],
    "targets and R2": [(LeastSquares("l", *t), R2("r", w)) for *t, w in ((1, 0, 1, 2.0), (0.9, -1.0, 0.0, 0.5))],
    "hinge and gradient": [(Hinge("h"), Gradient("g", w)) for w in (10.0, 1.0, 0.1)],
    "clipping": [(Wasserstein("w", clip), None) for clip in (0.01, 0.1, 0.05)],
    "two penalties": [(WassersteinGP("w", w), R1("r", 2.0)) for w in (10.0, 1.0)],
    "pairs": [(Relativistic("r"), R1R2("p", w)) for w in (0.1, 1.0, 0.5)],
    "means and dragan": [(Relativistic("r", "mean"), Dragan("d", w)) for w in (10.0, 1.0)],
}
SPECS = [
    {"seed": 3, "latent_dim": 5, "g": (16,), "d": (8, 14)},
    {"seed": 0, "g": (7,), "d": (16, 6), "dropout": 0.0},
    {"seed": 8, "lr": 3e-4, "dropout": 0.5},
]


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("name", STACKS)
def test_every_member_equals_its_solo_run(dataset, name, updates):
    def make():
        pairs = zip(STACKS[name], SPECS, strict=False)
        return [member(o, p, **spec, discriminator_steps=updates, instance_noise=0.1) for (o, p), spec in pairs]

    for own, alone in zip(trained(dataset, *make()), make(), strict=True):
        np.testing.assert_allclose(own, trained(dataset, alone)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_dcgan_s_members_equal_their_solo_runs(dataset, spectral_norm):
    """Batch norm's running statistics included; with a penalty, so that convolutions are differentiated twice."""

    def make():
        return [convolutional(seed, spectral_norm) for seed in range(2)]

    together = trainer(dataset, *make())
    events = [[], []]
    for k, event in together.events():
        events[k].append(event)
    for k, alone in enumerate(make()):
        solo = trainer(dataset, alone)
        np.testing.assert_allclose(losses(events[k]), losses([e for _, e in solo.events()]), rtol=1e-3, atol=1e-3)
        for player in ("generator", "discriminator"):
            mine, theirs = (run.state(i)["step_state"][player] for run, i in ((together, k), (solo, 0)))
            assert mine.keys() == theirs.keys()
            for name in mine:
                torch.testing.assert_close(mine[name], theirs[name], rtol=1e-2, atol=2e-3, msg=name)


@pytest.mark.parametrize("others", [False, True])
def test_spectral_norm_stacks_with_widths_that_differ(dataset, others):
    def make():
        more = {"spectral_norm": True}
        members = [member(Hinge("h"), None, **more), member(Hinge("h"), None, seed=1, d=(6, 20), **more)]
        return [*members, member(Hinge("h"), None, seed=2, dropout=0.0, **more)] if others else members

    for own, alone in zip(trained(dataset, *make()), make(), strict=True):
        np.testing.assert_allclose(own, trained(dataset, alone)[0], rtol=1e-4, atol=1e-4)


def test_coefficients_reach_their_own_member(dataset):
    first, *_ = trained(dataset, member(Hinge("h"), R1("r", 1.0)), member(Hinge("h"), R1("r", 9.0), seed=1))
    again, *_ = trained(dataset, member(Hinge("h"), R1("r", 1.0)), member(Hinge("h"), R1("r", 2.0), seed=1))
    np.testing.assert_array_equal(first, again)
    other, *_ = trained(dataset, member(Hinge("h"), R1("r", 2.0)), member(Hinge("h"), R1("r", 9.0), seed=1))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("objective", [Wasserstein("w", 0.05), Relativistic("r")])
def test_padding_stays_exactly_zero(dataset, objective):
    members = [
        member(objective, R1R2("r", 1.0), seed=k, d=d, spectral_norm=True, instance_noise=0.1)
        for k, d in enumerate([(12, 10), (5, 16), (9, 3)])
    ]
    run = trainer(dataset, *members)
    list(run.events())
    parameters = run._step.discriminator.parameters
    padded = parameters.flat.clone()
    for k in range(len(members)):
        for part in parameters.named(k, padded).values():
            part.zero_()
    assert not padded.any()


class Own:
    """A user's own objective, which asks a number of its own which way to go."""

    def __init__(self, margin):
        self.margin = margin

    def discriminator_loss(self, real, fake):
        return (fake - real).mean() if self.margin > 1 else (fake - real).square().mean()

    def generator_loss(self, real, fake):
        return -fake.mean()


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ((Hinge("h"), None), (NonSaturating("n"), None), "the objectives differ: Hinge, NonSaturating"),
        ((Hinge("h"), R1("r", 1.0)), (Hinge("h"), None), "some members have a penalty and others none"),
        ((Hinge("h"), R1("r", 1.0)), (Hinge("h"), R2("r", 1.0)), "the penalties differ: R1, R2"),
        ((Relativistic("r"), None), (Relativistic("r", "mean"), None), "differ in pairing, which is not a number"),
        ((Wasserstein("w"), None), (Wasserstein("w", None), None), "differ in clip, which is not a number"),
        ((Own(1.0), None), (Own(2.0), None), "discriminator_loss of the objectives cannot be vectorised: "),
    ],
)
def test_what_cannot_be_stacked_says_why(dataset, first, second, reason):
    with pytest.raises(UnstackableError, match=reason):
        trainer(dataset, member(*first), member(*second))


def test_wasserstein_s_weights_stay_within_the_clip(dataset):
    own = member(Wasserstein("w", 0.02))
    trained(dataset, own)
    largest = max(p.abs().max() for p in own.networks.discriminator.parameters())
    assert largest == pytest.approx(0.02)


def test_wasserstein_gp_is_wasserstein_with_the_gradient_penalty(dataset):
    (own,) = trained(dataset, member(WassersteinGP("w", 5.0)))
    (put_together,) = trained(dataset, member(Wasserstein("w", None), Gradient("g", 5.0)))
    np.testing.assert_array_equal(own, put_together)


def test_a_relativistic_generator_is_held_against_d_as_it_is_now(dataset):
    own = member(Relativistic("r"), dropout=0.0, lr=0.1)
    step = AdversarialStep([own], dataset, dataset.samples)
    keys, indices = step_keys(0, 0, 1)[0], torch.arange(B).view(1, B)
    z = StepNoise(2 * B, LATENT, [], CPU).draw(keys)[0][B:]
    with torch.no_grad():
        generated = own.networks.generator(z)
    statistics = step(indices, keys)
    with torch.no_grad():
        real = own.networks.discriminator(dataset.normalise(dataset.samples[:B]))
        expected = F.softplus(real - own.networks.discriminator(generated)).mean()
    torch.testing.assert_close(statistics.generator_loss, expected)


NOISY = {"instance_noise": 0.2, "instance_noise_epochs": 3}
RESUMED = {
    "relativistic, dragan": lambda: member(Relativistic("r"), Dragan("d", 1.0), **NOISY),
    "wasserstein, two penalties": lambda: member(WassersteinGP("w"), Gradient("g", 1.0), spectral_norm=True, **NOISY),
    "ada, lecam": lambda: replace(
        member(NonSaturating("n"), LeCam("l", 0.3, 0.9, 5)),
        augmentation=Ada("a", 0.0, 100, 4, 0.1, 1.0, 1.0, *[0.3] * 7),
    ),
    "dcgan": lambda: convolutional(0, False),
    "dcgan, spectral norm": lambda: convolutional(1, True),
}


@pytest.mark.parametrize("stop_at", [3, 12])
@pytest.mark.parametrize("name", RESUMED)
def test_a_stopped_run_continues_bit_for_bit(dataset, monkeypatch, name, stop_at):
    monkeypatch.setattr("gan_experiments.training.trainer.WINDOW", 1)
    (whole,) = trained(dataset, RESUMED[name]())
    first, before = trainer(dataset, RESUMED[name]()), []
    for _, event in first.events():
        before.append(event)
        if isinstance(event, StepsFinished) and event.step == stop_at:
            first.request_stop()
    assert isinstance(before[-1], Stopped)
    torch.manual_seed(99)
    second = trainer(dataset, RESUMED[name]())
    second.load(next(event.state for event in reversed(before) if isinstance(event, CheckpointDue)))
    after = [event for _, event in second.events()]
    np.testing.assert_array_equal(np.concatenate((losses(before), losses(after)), 1), whole)


def test_instance_noise_blurs_what_d_sees_and_fades(dataset):
    seen = []
    own = member(NonSaturating("n"), instance_noise=0.5, instance_noise_epochs=2)
    own.networks.discriminator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].detach().clone()))
    run = trainer(dataset, own)
    steps = []
    for _, event in run.events():
        if isinstance(event, EpochFinished):
            steps.append(event.step)
    passes = [x for x in seen if len(x) == 2 * B]  # of D's updates: real samples first
    images = dataset.normalise(dataset.samples)
    distances = torch.stack([torch.cdist(x[:B].flatten(1), images.flatten(1)).min(1).values.mean() for x in passes])
    expected = 0.5 * (1 - torch.arange(len(passes)) / steps[1]).clamp(min=0) * 4  # sqrt(16 elements)
    torch.testing.assert_close(distances, expected, rtol=0.25, atol=1e-3)


def test_bfloat16_trains_with_a_penalty(dataset):
    for objective, penalty in ((Hinge("h"), R1R2("r", 1.0)), (WassersteinGP("w"), None)):
        (half,) = trained(dataset, member(objective, penalty, precision="bf16", lr=1e-4))
        (full,) = trained(dataset, member(objective, penalty, lr=1e-4))
        np.testing.assert_allclose(half, full, rtol=0.03, atol=0.03)

"""The step against the tutorial's loop, written out with torch's own modules and optimiser."""

import pytest
import torch
from torch import nn

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.mlp import build
from gan_experiments.models.networks import Networks
from gan_experiments.objectives import Minimax, NonSaturating
from gan_experiments.training.counter_rng import StepNoise, step_keys
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep

B, LATENT = 8, 6


@pytest.fixture
def dataset():
    generator = torch.Generator().manual_seed(0)
    return Dataset("tiny", torch.randint(0, 256, (40, 1, 4, 4), generator=generator, dtype=torch.uint8))


def networks(dropout=0.0):
    torch.manual_seed(0)
    return build((1, 4, 4), "mlp", LATENT, [10, 12], [12, 10], 0.2, dropout)


def step_of(pair, dataset, objective=None, train=None, **settings):
    train = train or TrainConfig(batch_size=B, **settings)
    return AdversarialStep([Member(pair, train, 0, objective or NonSaturating("n"))], dataset, dataset.samples)


def plain(network, last):
    """A copy made of torch's modules, sharing no memory."""
    parts = []
    for i, layer in enumerate(network.layers):
        copy = nn.Linear(layer.in_features, layer.out_features)
        copy.load_state_dict(layer.state_dict())
        parts += [copy] if i == len(network.layers) - 1 else [copy, nn.LeakyReLU(0.2)]
    return nn.Sequential(*parts, *last)


def take_steps(step, count, updates=1):
    generator = torch.Generator().manual_seed(1)
    indices = torch.randint(0, 40, (count, updates, B), generator=generator)
    keys = step_keys(0, 0, count)
    return indices, keys, [step(indices[i], keys[i]) for i in range(count)]


@pytest.mark.parametrize(("objective", "updates"), [(NonSaturating, 1), (Minimax, 1), (NonSaturating, 3)])
def test_equals_the_tutorial_s_loop(dataset, objective, updates):
    ours = networks()
    generator, discriminator = plain(ours.generator, [nn.Tanh()]), plain(ours.discriminator, [nn.Sigmoid()])
    train = TrainConfig(batch_size=B, lr=1e-2, generator_lr=5e-3, betas=[0.5, 0.99], discriminator_steps=updates)
    step = step_of(ours, dataset, objective("o"), train)
    indices, keys, statistics = take_steps(step, 5, updates)

    adam_g = torch.optim.Adam(generator.parameters(), lr=5e-3, betas=(0.5, 0.99))
    adam_d = torch.optim.Adam(discriminator.parameters(), lr=1e-2, betas=(0.5, 0.99))
    noise = StepNoise((updates + 1) * B, LATENT, [], torch.device("cpu"))
    bce, ones, zeros = nn.BCELoss(), torch.ones(B, 1), torch.zeros(B, 1)
    for i in range(5):
        *for_d, for_g = noise.draw(keys[i])[0].split(B)
        for index, z in zip(indices[i], for_d, strict=True):
            x = (dataset.samples[index].float() / 127.5 - 1).flatten(1)
            fake = generator(z).detach()
            loss_d = bce(discriminator(x), ones) + bce(discriminator(fake), zeros)
            adam_d.zero_grad()
            loss_d.backward()
            adam_d.step()
        p = discriminator(generator(for_g))
        loss_g = bce(p, ones) if objective is NonSaturating else torch.log(1 - p).mean()
        adam_g.zero_grad()
        loss_g.backward()
        adam_g.step()
        torch.testing.assert_close(statistics[i].discriminator_loss, loss_d.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(statistics[i].generator_loss, loss_g.detach(), rtol=1e-4, atol=1e-5)
    for mine, theirs in ((ours.generator, generator), (ours.discriminator, discriminator)):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_generator_s_update_leaves_the_discriminator_alone(dataset):
    """With a D learning rate that is nil in effect, only G's weights move."""
    ours = networks()
    before = [p.clone() for p in ours.discriminator.parameters()]
    step = step_of(ours, dataset, discriminator_lr=1e-30)
    take_steps(step, 3)
    for a, b in zip(ours.discriminator.parameters(), before, strict=True):
        assert torch.equal(a, b)


def test_dropout_follows_the_step_s_noise_and_not_the_global_generator(dataset):
    runs = []
    for global_seed in (1, 2):
        step = step_of(networks(0.3), dataset)
        torch.manual_seed(global_seed)
        runs.append(torch.stack([s.discriminator_loss for s in take_steps(step, 4)[2]]))
    assert torch.equal(*runs)


class Normalised(nn.Module):
    """A network of a user's own: batch normalisation and the library's dropout."""

    def __init__(self, *sizes, last):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(1),
            nn.Linear(sizes[0], 9),
            nn.BatchNorm1d(9),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(9, sizes[1]),
            last,
        )

    def forward(self, x):
        return self.body(x)


def foreign():
    torch.manual_seed(0)
    return Networks(
        Normalised(LATENT, 16, last=nn.Sequential(nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))),
        Normalised(16, 1, last=nn.Identity()),
        LATENT,
    )


def test_a_user_s_networks_train_with_separate_passes_for_real_and_fake(dataset):
    nets = foreign()
    step = step_of(nets, dataset)
    batches = []
    nets.discriminator.body[2].register_forward_hook(lambda _m, inputs, _o: batches.append(len(inputs[0])))
    statistics = take_steps(step, 2)[2]
    assert batches == [B] * 6  # real, fake, and G's pass, in each of two steps
    assert all(torch.isfinite(s.generator_loss) for s in statistics)


def test_a_user_s_dropout_follows_the_step_s_noise(dataset):
    runs = []
    for global_seed in (1, 2):
        step = step_of(foreign(), dataset)
        torch.manual_seed(global_seed)
        runs.append(torch.stack([s.generator_loss for s in take_steps(step, 4)[2]]))
    assert torch.equal(*runs)


def test_average_follows_the_generator(dataset):
    ours = networks()
    start = [p.clone() for p in ours.generator.parameters()]
    step = step_of(ours, dataset, ema=0.75)
    take_steps(step, 1)
    averages = step.sampler(0).parameters()
    for average, before, after in zip(averages, start, ours.generator.parameters(), strict=True):
        torch.testing.assert_close(average, 0.75 * before + 0.25 * after)


def test_bfloat16_keeps_float32_weights_and_stays_near(dataset):
    losses = []
    for precision in ("fp32", "bf16"):
        ours = networks()
        step = step_of(ours, dataset, precision=precision)
        losses.append(torch.stack([s.discriminator_loss for s in take_steps(step, 5)[2]]))
        assert {p.dtype for p in ours.generator.parameters()} == {torch.float32}
    assert not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.03, atol=0.03)

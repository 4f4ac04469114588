import math

import pytest
import torch
from torch import nn

from gan_experiments.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    WassersteinGP,
)
from gan_experiments.penalties import Gradient


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return [(3 * torch.randn(52, generator=generator, dtype=torch.float64)).requires_grad_() for _ in range(2)]


def assert_same(ours, literal, inputs):
    """The same value and the same derivatives."""
    torch.testing.assert_close(ours, literal)
    mine, theirs = (torch.autograd.grad(loss, inputs, allow_unused=True) for loss in (ours, literal))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def bce(logit, target):
    return nn.BCELoss()(torch.sigmoid(logit), torch.full_like(logit, target))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_discriminator_s_loss_is_the_article_s_sigmoid_and_bceloss(logits, smoothing):
    real, fake = logits
    for objective in (NonSaturating("n", smoothing), Minimax("m", smoothing)):
        ours = objective.discriminator_loss(real, fake)
        assert_same(ours, bce(real, 1 - smoothing) + bce(fake, 0.0), logits)


def test_the_article_s_flipped_targets_are_non_saturating(logits):
    real, fake = logits
    assert_same(NonSaturating("n", 0.3).generator_loss(real, fake), bce(fake, 1.0), [fake])


def test_minimax_is_the_literal_value_function(logits):
    real, fake = logits
    assert_same(Minimax("m").generator_loss(real, fake), torch.log(1 - torch.sigmoid(fake)).mean(), [fake])


def test_least_squares_are_distances_from_the_targets(logits):
    real, fake = logits
    objective, mse = LeastSquares("l", real_target=0.9, fake_target=-1.0, generator_target=0.5), nn.MSELoss()
    targets = [torch.full_like(real, target) for target in (0.9, -1.0, 0.5)]
    d = 0.5 * mse(real, targets[0]) + 0.5 * mse(fake, targets[1])
    assert_same(objective.discriminator_loss(real, fake), d, logits)
    assert_same(objective.generator_loss(real, fake), 0.5 * mse(fake, targets[2]), [fake])


def test_hinge_ignores_what_is_beyond_its_margin():
    real = torch.tensor([2.0, 0.5, -1.0], requires_grad=True)
    fake = torch.tensor([-2.0, -0.5, 1.0], requires_grad=True)
    loss = Hinge("h").discriminator_loss(real, fake)
    assert loss.item() == pytest.approx((0 + 0.5 + 2) / 3 * 2)
    of_real, of_fake = torch.autograd.grad(loss, (real, fake))
    torch.testing.assert_close(of_real, torch.tensor([0.0, -1 / 3, -1 / 3]))
    torch.testing.assert_close(of_fake, torch.tensor([0.0, 1 / 3, 1 / 3]))
    (slope,) = torch.autograd.grad(Hinge("h").generator_loss(real, fake), fake)
    torch.testing.assert_close(slope, torch.full((3,), -1 / 3))


@pytest.mark.parametrize("objective", [Wasserstein("w"), WassersteinGP("g")])
def test_both_wassersteins_estimate_the_distance(logits, objective):
    real, fake = logits
    assert_same(objective.discriminator_loss(real, fake), fake.mean() - real.mean(), logits)
    assert_same(objective.generator_loss(real, fake), -fake.mean(), [fake])


def test_one_wasserstein_clips_and_the_other_penalises():
    assert (Wasserstein("w").clip, Wasserstein("w").penalty) == (0.01, None)
    with_penalty = WassersteinGP("g", gradient_penalty=3.0)
    assert with_penalty.clip is None
    assert isinstance(with_penalty.penalty, Gradient)
    assert with_penalty.penalty.weight == 3


def test_relativistic_pairs_are_a_cross_entropy_of_differences(logits):
    real, fake = logits
    objective = Relativistic("r")
    assert_same(objective.discriminator_loss(real, fake), bce(real - fake, 1.0), logits)
    assert_same(objective.generator_loss(real, fake), bce(fake - real, 1.0), [fake])
    shifted = objective.discriminator_loss(real + 5, fake + 5)
    torch.testing.assert_close(shifted, objective.discriminator_loss(real, fake))


def test_relativistic_means_are_the_average_form(logits):
    real, fake = logits
    objective = Relativistic("r", pairing="mean")
    d = bce(real - fake.mean(), 1.0) + bce(fake - real.mean(), 0.0)
    assert_same(objective.discriminator_loss(real, fake), d, logits)
    g = bce(fake - real.mean(), 1.0) + bce(real - fake.mean(), 0.0)
    assert_same(objective.generator_loss(real, fake), g, [fake])


@pytest.mark.parametrize(
    ("objective", "logit", "of_d", "of_g"),
    [
        (NonSaturating("n"), 0.0, 2 * math.log(2), math.log(2)),
        (Minimax("m"), 0.0, 2 * math.log(2), -math.log(2)),
        (LeastSquares("l"), 0.5, 0.25, 0.125),
        (Hinge("h"), 0.0, 2.0, 0.0),
        (Wasserstein("w"), 0.3, 0.0, -0.3),
        (Relativistic("r"), 0.3, math.log(2), math.log(2)),
        (Relativistic("r", "mean"), 0.3, 2 * math.log(2), 2 * math.log(2)),
    ],
)
def test_values_at_equilibrium(objective, logit, of_d, of_g):
    same = torch.full((8,), logit)
    assert objective.discriminator_loss(same, same).item() == pytest.approx(of_d)
    assert objective.generator_loss(same, same).item() == pytest.approx(of_g)


def test_a_confident_discriminator_stops_minimax_but_not_the_other():
    fake = torch.full((4,), -30.0, requires_grad=True)
    real = torch.full((4,), 30.0)
    (saturated,) = torch.autograd.grad(Minimax("m").generator_loss(real, fake), fake)
    (strong,) = torch.autograd.grad(NonSaturating("n").generator_loss(real, fake), fake)
    assert saturated.abs().max() < 1e-12
    torch.testing.assert_close(strong, torch.full((4,), -0.25))


def test_float32_logits_of_a_hundred_stay_finite_where_log_of_sigmoid_does_not():
    fake, real = torch.tensor([100.0, -200.0]), torch.tensor([-200.0, 100.0])
    assert NonSaturating("n").discriminator_loss(real, fake).item() == pytest.approx(150)
    assert NonSaturating("n").generator_loss(real, fake).item() == pytest.approx(100)
    assert Relativistic("r").discriminator_loss(real, fake).item() == pytest.approx(150)


def test_only_wasserstein_critics_have_logits_without_an_origin() -> None:
    own = [Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein, WassersteinGP]
    assert {kind for kind in own if not kind("x").logits_have_origin} == {Wasserstein, WassersteinGP}

import math

import pytest
import torch
from torch import nn

from gan_experiments.objectives import Minimax, NonSaturating


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return [(3 * torch.randn(52, generator=generator, dtype=torch.float64)).requires_grad_() for _ in range(2)]


def test_discriminator_s_loss_is_the_article_s_sigmoid_and_bceloss(logits):
    real, fake = logits
    bce = nn.BCELoss()
    article = bce(torch.sigmoid(real), torch.ones(52).double()) + bce(torch.sigmoid(fake), torch.zeros(52).double())
    for objective in (NonSaturating("n"), Minimax("m")):
        ours = objective.discriminator_loss(real, fake)
        torch.testing.assert_close(ours, article)
        for mine, theirs in zip(
            torch.autograd.grad(ours, logits), torch.autograd.grad(article, logits, retain_graph=True), strict=True
        ):
            torch.testing.assert_close(mine, theirs)


def test_the_article_s_flipped_targets_are_non_saturating(logits):
    real, fake = logits
    article = nn.BCELoss()(torch.sigmoid(fake), torch.ones(52).double())
    ours = NonSaturating("n").generator_loss(real, fake)
    torch.testing.assert_close(ours, article)
    torch.testing.assert_close(torch.autograd.grad(ours, fake), torch.autograd.grad(article, fake))


def test_minimax_is_the_literal_value_function(logits):
    real, fake = logits
    literal = torch.log(1 - torch.sigmoid(fake)).mean()
    ours = Minimax("m").generator_loss(real, fake)
    torch.testing.assert_close(ours, literal)
    torch.testing.assert_close(torch.autograd.grad(ours, fake), torch.autograd.grad(literal, fake))


def test_values_at_equilibrium():
    half = torch.zeros(8)
    assert NonSaturating("n").discriminator_loss(half, half).item() == pytest.approx(2 * math.log(2))
    assert NonSaturating("n").generator_loss(half, half).item() == pytest.approx(math.log(2))
    assert Minimax("m").generator_loss(half, half).item() == pytest.approx(-math.log(2))


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

"""Penalties on discriminators whose derivative is known in closed form."""

import pytest
import torch

from gan_experiments.penalties import R1, R1R2, R2, Dragan, Gradient

SHAPE = (1, 3, 4)
KINDS = [R1, R2, R1R2, Gradient, Dragan]


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(6, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(2)]


def value(penalty, discriminator, real, generated, seed=0):
    count = penalty.uniforms(12)
    uniform = torch.rand(len(real), count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = penalty.points(real, generated, uniform).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
    return penalty.value(gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_linear_discriminator(kind, batches):
    """Its derivative is its weight w everywhere, so the penalty is a function of |w| alone, and so is its slope."""
    w = torch.linspace(-0.3, 1, 12, dtype=torch.float64).requires_grad_()
    norm = w.norm()
    half, away = 0.5 * norm**2, (norm - 1) ** 2
    expected = 3.0 * {R1: half, R2: half, R1R2: 2 * half, Gradient: away, Dragan: away}[kind]
    ours = value(kind("p", 3.0), lambda x: x.flatten(1) @ w, *batches)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, w), torch.autograd.grad(expected, w))


def test_zero_centred_ones_of_a_quadratic_discriminator(batches):
    """Its derivative at x is a x, so the penalty is the mean of |a x|^2 over the samples that it looks at."""
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    of_real, of_generated = (0.5 * 2.0 * (a * batch).square().sum() / 6 for batch in batches)
    for kind, expected in ((R1, of_real), (R2, of_generated), (R1R2, of_real + of_generated)):
        ours = value(kind("p", 2.0), lambda x: 0.5 * a * x.square().sum((1, 2, 3)), *batches)
        torch.testing.assert_close(ours, expected)
        ours_slope, slope = (torch.autograd.grad(v, a, retain_graph=True) for v in (ours, expected))
        torch.testing.assert_close(ours_slope, slope)


def test_gradient_looks_between_each_real_sample_and_its_generated_one(batches):
    real, generated = batches
    uniform = torch.tensor([[0.0], [1.0], [0.5], [0.25], [0.75], [0.1]], dtype=torch.float64)
    points = Gradient("g", 1.0).points(real, generated, uniform)
    torch.testing.assert_close(points[0], generated[0])
    torch.testing.assert_close(points[1], real[1])
    torch.testing.assert_close(points[3], 0.25 * real[3] + 0.75 * generated[3])


def test_dragan_looks_near_real_samples(batches):
    real, generated = batches
    penalty = Dragan("d", 1.0)
    assert penalty.uniforms(12) == 13
    corner = penalty.points(real, generated, torch.ones(6, 13, dtype=torch.float64))
    torch.testing.assert_close(corner - real, torch.full_like(real, 0.5 * real.std(correction=0)))
    torch.testing.assert_close(penalty.points(real, generated, torch.zeros(6, 13, dtype=torch.float64)), real)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_discriminator_has_a_finite_slope(kind, batches):
    w = torch.zeros(12, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(kind("p", 1.0), lambda x: x.flatten(1) @ w, *batches), w)
    assert torch.equal(slope, torch.zeros_like(slope))

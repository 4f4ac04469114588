import pytest
import torch
from torch import nn

from gan_experiments.models.mlp import build
from gan_experiments.models.spectral_norm import normalise_spectrum
from gan_experiments.models.stacking import stack_modules


def largest(weight):
    return torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item()


@pytest.mark.parametrize("make", [lambda: nn.Linear(30, 20), lambda: nn.Conv2d(6, 20, 3)])
def test_the_largest_singular_value_becomes_one(make):
    torch.manual_seed(0)
    layer = make()
    direction = layer.weight.detach() / largest(layer.weight)
    normalise_spectrum(layer)
    for _ in range(200):
        used = layer.weight
    torch.testing.assert_close(used.detach(), direction, rtol=1e-3, atol=1e-4)
    assert largest(layer.eval().weight) == pytest.approx(1, rel=1e-4)


def test_its_derivative_is_the_library_s():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(7, 5), nn.Linear(7, 5)
    theirs.load_state_dict(ours.state_dict())
    normalise_spectrum(ours)
    nn.utils.parametrizations.spectral_norm(theirs)
    x = torch.randn(4, 7)
    for _ in range(100):
        a, b = ours(x), theirs(x)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    slopes = [
        torch.autograd.grad(y.square().sum(), layer.parametrizations.weight.original)
        for y, layer in ((a, ours), (b, theirs))
    ]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-4)


def test_two_uses_have_one_derivative_together():
    torch.manual_seed(0)
    layer = nn.Linear(7, 5)
    normalise_spectrum(layer)
    weight = layer.parametrizations.weight.original
    for _ in range(100):
        first = layer.weight
    (once,) = torch.autograd.grad(first.sum(), weight)
    (twice,) = torch.autograd.grad((layer.weight + layer.weight).sum(), weight)
    torch.testing.assert_close(twice, 2 * once, rtol=1e-4, atol=1e-5)


def test_looking_in_evaluation_changes_nothing():
    layer = nn.Linear(7, 5)
    normalise_spectrum(layer)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    assert torch.equal(layer.eval().weight, layer.weight)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_it_bounds_the_slope_of_a_perceptron():
    torch.manual_seed(0)
    discriminator = build((1, 6, 6), "mlp", 4, [8], [64, 32], 0.2, 0.0, spectral_norm=True).discriminator
    for _ in range(100):
        discriminator(torch.zeros(2, 1, 6, 6))
    x, y = torch.randn(2, 100, 1, 6, 6)
    slope = (discriminator(x) - discriminator(y)).abs() / (x - y).flatten(1).norm(dim=1)
    assert slope.max() <= 1


def test_members_of_different_widths_are_normalised_each_by_its_own():
    def members():
        pairs = []
        for seed, widths in enumerate([[8, 16], [12, 5]]):
            torch.manual_seed(seed)
            pairs.append(build((1, 4, 4), "mlp", 4, [8], widths, 0.2, 0.0, spectral_norm=True))
        return pairs

    x = torch.randn(2, 6, 1, 4, 4)
    together = stack_modules([pair.discriminator for pair in members()])
    alone = [pair.discriminator for pair in members()]
    for _ in range(3):
        for own, network, batch in zip(together(x), alone, x, strict=True):
            torch.testing.assert_close(own, network(batch))

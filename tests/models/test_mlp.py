import pytest
import torch
from torch import nn

from gan_experiments.models.dropout import Dropout
from gan_experiments.models.mlp import build


@pytest.fixture
def article():
    torch.manual_seed(0)
    return build((1, 28, 28), "mlp", 100, [256, 512, 1024], [1024, 512, 256], 0.2, 0.3)


def shapes(network):
    return [tuple(layer.weight.shape[::-1]) for layer in network.layers]


def test_the_article_s_layers(article):
    assert shapes(article.generator) == [(100, 256), (256, 512), (512, 1024), (1024, 784)]
    assert shapes(article.discriminator) == [(784, 1024), (1024, 512), (512, 256), (256, 1)]
    assert [d.p for d in article.discriminator.dropouts] == [0.3] * 3
    assert article.latent_dim == 100


def sequential(network, slope, last):
    parts = []
    for i, layer in enumerate(network.layers):
        parts += [layer] if i == len(network.layers) - 1 else [layer, nn.LeakyReLU(slope)]
    return nn.Sequential(*parts, *last)


def test_both_networks_equal_the_tutorial_s_sequence_of_modules(article):
    z, x = torch.randn(5, 100), torch.rand(5, 1, 28, 28) * 2 - 1
    expected = sequential(article.generator, 0.2, [nn.Tanh()])(z).view(5, 1, 28, 28)
    torch.testing.assert_close(article.generator(z), expected)
    logits = sequential(article.discriminator.eval(), 0.2, [])(x.flatten(1)).squeeze(1)
    torch.testing.assert_close(article.discriminator(x), logits)


def test_dropout_is_active_in_training_alone(article):
    x = torch.rand(64, 1, 28, 28)
    d = article.discriminator
    assert not torch.equal(d.train()(x), d(x))
    assert torch.equal(d.eval()(x), d(x))


def test_dropout_keeps_the_mean_and_the_share():
    torch.manual_seed(0)
    y = Dropout(0.3)(torch.ones(200_000))
    assert (y == 0).float().mean() == pytest.approx(0.3, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_any_sample_shape():
    networks = build((2,), "mlp", 3, [8], [8], 0.2, 0.0)
    assert networks.generator(torch.zeros(4, 3)).shape == (4, 2)
    assert networks.discriminator(torch.zeros(4, 2)).shape == (4,)


def test_gain_scales_the_generator_s_first_weights_and_nothing_else():
    def built(**gain):
        torch.manual_seed(0)
        return build((2,), "mlp", 3, [8], [8], 0.2, 0.0, **gain)

    once, twice = built(), built(generator_gain=2.0)
    for ours, theirs in zip(twice.generator.layers, once.generator.layers, strict=True):
        assert torch.equal(ours.weight, 2 * theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)
    for ours, theirs in zip(twice.discriminator.parameters(), once.discriminator.parameters(), strict=True):
        assert torch.equal(ours, theirs)
